"""Peers of `spectralkit.structured`: the factorization of lazylinop."""

import warnings


def has_lazylinop():
    """Whether lazylinop can be imported; it needs psutil for that, and does not ask for it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyWavelets is not installed, which is not used here
            import lazylinop.butterfly
    except ImportError:
        return False
    return lazylinop is not None


def lazylinop_factors(W):
    """Return the factors of a matrix whose columns are in order, by its algorithm in balanced order."""
    from lazylinop.butterfly import Chain, ksd

    return ksd(W, Chain.square_dyadic(W.shape), order="balanced")
