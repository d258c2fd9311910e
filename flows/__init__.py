"""Prefect flows: thin, they call the package and hold no arithmetic."""
