"""Eigenproblems of non-normal matrices: perturb then diagonalize, pseudospectra, transient growth."""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
