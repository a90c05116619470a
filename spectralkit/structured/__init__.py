"""Fast linear operators: butterfly matrices, their factorization and learning, Kronecker-sparse chains."""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
