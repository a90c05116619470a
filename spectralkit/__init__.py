"""Recent numerical linear algebra and scientific machine learning as dependable tools."""

from spectralkit._core.lazy import attach_stub

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
