from tests.network.conftest import painted

__all__ = ["painted"]
