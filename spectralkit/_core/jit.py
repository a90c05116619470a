"""The one place that knows numba's flags."""

import warnings

import numba

# `reassoc` lets the compiler vectorise plain sums; with `nnan` or `ninf` it would also assume that no NaN
# exists, and the finiteness tests on those sums would be optimised away.
SUM_FLAGS = frozenset({"reassoc", "contract", "nsz"})
_warned = False


def njit(**options):
    """Return numba's njit as this library uses it: cached on disk, without the GIL, IEEE division.

    Where neither the package's folder nor the user's cache folder can be written numba refuses to cache;
    then functions compile in memory, and one warning says how to avoid that.
    """
    settings = {"nogil": True, "error_model": "numpy", **options}

    def decorate(function):
        global _warned
        try:
            return numba.njit(cache=True, **settings)(function)
        except RuntimeError as error:
            if "cannot cache function" not in str(error):
                raise
            if not _warned:
                _warned = True
                warnings.warn(
                    "compiled functions cannot be cached here and are compiled again in every process. "
                    "Set the environment variable NUMBA_CACHE_DIR to a folder that can be written.",
                    UserWarning,
                    stacklevel=2,
                )
            return numba.njit(**settings)(function)

    return decorate
