"""Checks of coefficients and vectors that the functions of this family share."""

import math

import array_api_compat.numpy as numpy_namespace
import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.dtypes import dtype_of, working_dtype_name
from spectralkit._core.namespaces import array_namespace

_KEPT = (np.dtype(np.float32), np.dtype(np.float64))


def as_real(name, value):
    """Return a real array in its working dtype, and its namespace; NaN and infinity are let through."""
    if type(value) is np.ndarray and value.dtype in _KEPT:
        return value, numpy_namespace  # the checks below take as long as a product of low degree
    value = as_numbers(name, value)
    dtype = working_dtype_name(name, value.dtype, allow_complex=False)
    xp = array_namespace(**{name: value})
    return xp.astype(value, dtype_of(xp, dtype), copy=False), xp


def as_coefficients(name, value):
    """Return real coefficients of spherical harmonics, their namespace and largest degree."""
    value, xp = as_real(name, value)
    lmax = math.isqrt(value.shape[-1]) - 1 if value.ndim else -1
    if lmax < 0 or (lmax + 1) ** 2 != value.shape[-1]:
        remedy = "Its last axis has one entry for each harmonic."
        constraint = "of shape (..., (lmax + 1)**2)"
        raise ValueError(invalid(name, constraint, f"shape {tuple(value.shape)}", remedy))
    return value, xp, lmax


def as_vectors(name, value):
    """Return finite vectors of three components, and their namespace."""
    value, xp = as_real(name, value)
    if value.ndim < 1 or value.shape[-1] != 3:
        raise ValueError(invalid(name, "of shape (..., 3)", f"shape {tuple(value.shape)}"))
    if not bool(xp.all(xp.isfinite(value))):
        raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop those vectors."))
    return value, xp


def as_unit_vectors(name, value):
    """Return vectors in float64, normalised without overflow."""
    value, xp = as_vectors(name, value)
    value = xp.astype(value, xp.float64)
    largest = xp.max(xp.abs(value), axis=-1, keepdims=True)
    if bool(xp.any(largest == 0.0)):
        raise ValueError(invalid(name, "non-zero", "a zero vector", "It has no direction: drop it."))
    value = value / largest
    return value / xp.sqrt(xp.sum(value * value, axis=-1, keepdims=True)), xp


def broadcast_shape(**shapes):
    """Return the leading axes of arrays, each given with the number of its own last axes, broadcast."""
    try:
        leading = [tuple(array.shape[: array.ndim - own]) for array, own in shapes.values()]
        return np.broadcast_shapes(*leading)
    except ValueError:
        names = list(shapes)
        found = [str(tuple(array.shape)) for array, _ in shapes.values()]
        names, found = (", ".join(words[:-1]) + " and " + words[-1] for words in (names, found))
        raise ValueError(invalid(names, "of leading axes that broadcast", found)) from None


def check_degree(name, value, high=None, remedy=""):
    """Return a degree of harmonics."""
    return check_integer(name, value, 0, high, remedy)


def degrees(lmax):
    """Return the degree of each coefficient."""
    return np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)


def check_range(name, factors, dtype, xp):
    """Raise if factors overflow in the dtype of the coefficients that they multiply."""
    if factors.dtype == xp.float64 and dtype == xp.float32:
        largest = float(xp.finfo(dtype).max)
        if bool(xp.any(xp.isfinite(factors) & (xp.abs(factors) > largest))):
            constraint = f"at most {largest:.2g} in modulus, as the coefficients are float32"
            raise ValueError(invalid(name, constraint, "larger ones", "Pass coefficients in float64."))
