"""Where to sample a function, and least squares from there."""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
