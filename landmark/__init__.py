"""Landmark: recognises landmarks in photo collections."""

__version__ = "0.1.0"
