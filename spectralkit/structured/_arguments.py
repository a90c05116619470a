"""Checks of twiddle factors, permutations and signals that the functions of this family share."""

import array_api_compat
import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_of, working_dtype_name
from spectralkit._core.namespaces import array_namespace, to_host


def as_working(name, value):
    """Return an array in its working dtype, and its namespace."""
    value = as_numbers(name, value)
    dtype = working_dtype_name(name, value.dtype)
    xp = array_namespace(**{name: value})
    return xp.astype(value, dtype_of(xp, dtype), copy=False), xp


def check_finite(name, value, xp):
    """Raise ValueError unless all entries are finite."""
    if not bool(xp.all(xp.isfinite(value))):
        raise ValueError(invalid(name, "finite", "NaN or infinity"))


def check_power_of_two(name, n):
    """Raise ValueError unless ``n`` is a power of two, and offer padding."""
    if n < 1 or n & (n - 1):
        remedy = f"Pad it with zeros to {1 << max(n - 1, 0).bit_length()}."
        raise ValueError(invalid(name, "a power of two", n, remedy))


def as_twiddle(name, value):
    """Return finite twiddle factors, their namespace and the size of the matrix."""
    value, xp = as_working(name, value)
    shape = tuple(value.shape)
    levels, pairs = shape[:2] if len(shape) == 4 else (-1, -1)
    n = 1 << max(levels, 0)
    if len(shape) != 4 or shape[2:] != (2, 2) or 2 * pairs != (n if levels else 0):
        constraint = "of shape (log2(n), n/2, 2, 2)"
        raise ValueError(invalid(name, constraint, f"shape {shape}"))
    check_finite(name, value, xp)
    return value, xp, n


def as_permutation(name, value, n):
    """Return a permutation of n places, on the host."""
    if array_api_compat.is_array_api_obj(value):
        value = to_host(value)
    value = as_numbers(name, value)
    if (
        value.dtype.kind not in "iu"
        or value.shape != (n,)
        or not np.array_equal(np.sort(value), np.arange(n))
    ):
        given = f"shape {value.shape} and dtype {value.dtype}"
        if value.dtype.kind in "iu" and value.shape == (n,):
            given = "places that repeat or are out of range"
        raise ValueError(invalid(name, f"a permutation of 0, ..., {n - 1}", given))
    return value.astype(np.int64)


def bit_reversal(n):
    """Return the permutation that reverses the bits of each place."""
    place, reversed_ = np.arange(n), np.zeros(n, dtype=np.int64)
    for bit in range(n.bit_length() - 1):
        reversed_ = reversed_ << 1 | (place >> bit) & 1
    return reversed_
