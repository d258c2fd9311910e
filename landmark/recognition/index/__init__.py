"""Nearest-neighbour search by inner product over unit vectors. The only modules that know FAISS."""
