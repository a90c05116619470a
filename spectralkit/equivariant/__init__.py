"""Rotations and spherical functions: harmonics, Wigner matrices, Gaunt tensor products, invariants."""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
