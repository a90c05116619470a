"""
Data with known answers, for examples and tests.

Everything is generated, or comes with scikit-learn: nothing is downloaded.
"""

from spectralkit._core.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
