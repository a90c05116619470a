"""Spectral-mixture Gaussian processes: kernels, frequencies of signals, differential equations."""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
