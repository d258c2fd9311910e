"""The painted catalog of the network's tests."""

from tests.network.conftest import painted

__all__ = ["painted"]
