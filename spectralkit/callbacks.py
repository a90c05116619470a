"""
Callbacks: watch long work, and stop it.

Long functions take ``callback=``. They call it after every iteration with an :class:`IterationInfo`, and
stop when it returns True. :func:`progress_bar` is one such callback.
"""

from spectralkit._core.callbacks import IterationInfo, progress_bar

__all__ = ["IterationInfo", "progress_bar"]
