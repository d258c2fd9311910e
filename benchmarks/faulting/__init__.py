"""Faults done to real retrainings, and an independent look at what is left afterwards."""
