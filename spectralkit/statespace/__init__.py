"""Linear state-space models: HiPPO matrices, diagonal initialisations, kernels, scans, ridge on states."""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
