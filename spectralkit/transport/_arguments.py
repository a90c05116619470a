"""Checks of clouds, costs and weights that the functions of this family share."""

import math

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name, output_dtype_name
from spectralkit._core.namespaces import array_namespace

# Weights below this share of the total mass, and sums of a plan below it, count as zero: above it logarithms
# and inverses stay in the range of float64.
NEGLIGIBLE = 1e-200


def as_array(name, value, ndim=None):
    """Return a non-empty real array; ``ndim`` is None for any dimension but zero."""
    value = as_numbers(name, value)
    output_dtype_name(name, value.dtype)
    if dtype_name(value.dtype).startswith("complex"):
        remedy = "Pass its real and imaginary parts as features, or its modulus."
        raise TypeError(invalid(name, "real", f"dtype {dtype_name(value.dtype)}", remedy))
    if value.ndim == 0 or ndim not in (None, value.ndim):
        remedy = "One row a point, one column a feature." if ndim == 2 and name != "C" else ""
        wanted = "an array" if ndim is None else f"{ndim}-dimensional"
        raise ValueError(invalid(name, wanted, f"shape {tuple(value.shape)}", remedy))
    if 0 in value.shape:
        raise ValueError(invalid(name, "non-empty", f"shape {tuple(value.shape)}"))
    return value


def check_finite(name, array, xp):
    """Raise ValueError if points are not finite."""
    if not bool(xp.all(xp.isfinite(xp.astype(array, xp.float64)))):
        raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop or impute those rows."))


def as_weights(name, weights, size, of_what, like):
    """
    Return weights in float64 and their sum.

    Parameters
    ----------
    name : str
        What to call them in messages.
    weights : array of shape (size,)
        Non-negative weights.
    size : int
        How many there have to be.
    of_what : str
        What they are the weights of, in words.
    like : array
        An array of the library and device that they have to be of.

    Returns
    -------
    array of shape (size,)
        The weights.
    float
        Their sum, positive.
    """
    weights = as_array(name, weights, 1)
    xp = array_namespace(**{name: weights, of_what: like})
    if weights.shape[0] != size:
        constraint = f"of shape ({size},), one weight for each of {of_what}"
        raise ValueError(invalid(name, constraint, f"shape {tuple(weights.shape)}"))
    weights = xp.astype(weights, xp.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(xp.sum(weights))
    if not math.isfinite(total):
        raise ValueError(invalid(name, "finite, as is its sum", "NaN or infinity"))
    smallest = float(xp.min(weights))
    if smallest < 0.0:
        raise ValueError(invalid(name, "non-negative", smallest, "Negative mass cannot be moved."))
    if total == 0.0:
        raise ValueError(invalid(name, "of positive total mass", "only zeros"))
    return weights, total
