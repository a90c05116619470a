"""Checks of arrays that the functions of this family share."""

import math

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name, working_dtype_name
from spectralkit._core.namespaces import array_namespace, to_host


def as_finite(name, value, *, allow_complex=False):
    """Return a finite array in double precision, its namespace, and the dtype of results like it."""
    value = as_numbers(name, value)
    working = working_dtype_name(name, value.dtype, allow_complex=allow_complex)
    xp = array_namespace(**{name: value})
    double = xp.complex128 if working.startswith("complex") else xp.float64
    dtype = dtype_of(xp, output_dtype_name(name, value.dtype))
    value = xp.astype(value, double, copy=False)
    if not bool(xp.all(xp.isfinite(value))):
        raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop or repair those entries."))
    return value, xp, dtype


def as_parameter(name, value):
    """Return a small finite real array of any library as float64 on the host."""
    return np.asarray(to_host(as_finite(name, value)[0]))


def as_result(value, xp, dtype, names, what, got="values that overflow"):
    """Return a result in its dtype, or raise ValueError where it is not finite there."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = xp.astype(value, dtype, copy=False)
    if not bool(xp.all(xp.isfinite(result))):
        constraint = f"of a size for which {what} is finite in {dtype_name(dtype)}"
        raise ValueError(invalid(names, constraint, got))
    return result


def exponent(largest):
    """Return e such that ``2^-e`` times numbers of modulus up to ``largest`` have squares in range."""
    # Within bounds, so that both powers of two are normal numbers.
    return min(max(math.frexp(largest)[1], -1000), 1000)


def check_ndim(name, value, ndim, shape):
    """Raise ValueError unless the array has so many axes, which ``shape`` describes."""
    if value.ndim != ndim:
        raise ValueError(invalid(name, f"of shape {shape}", f"shape {tuple(value.shape)}"))
