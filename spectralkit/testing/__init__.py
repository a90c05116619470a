"""
Helpers for tests of numerical code: ratios to rounding error, adjoints, prescribed spectra, merges.

They test this library, and serve any other. Errors are measured as LAPACK's own test suite does, relative
to what rounding alone would give, so one threshold serves every size, scale and precision.
"""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
