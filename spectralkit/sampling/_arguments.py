"""Checks of feature matrices and weights that the functions of this family share."""

import math

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_of, working_dtype_name
from spectralkit._core.namespaces import array_namespace


def as_matrix(name, value):
    """Return a finite, non-empty real matrix."""
    return _checked(name, value, (2,), "(n, m)")


def as_weights(name, weights, size, like, of="Phi"):
    """Return weights, one for each of ``size`` rows of ``like``, of its library; ``of`` is its name."""
    weights = _checked(name, weights, (1,), f"({size},)")
    xp = array_namespace(**{name: weights, of: like})
    if weights.shape[0] != size:
        constraint = f"of shape ({size},), one for each row of {of}"
        raise ValueError(invalid(name, constraint, f"shape {tuple(weights.shape)}"))
    smallest = float(xp.min(weights))
    if smallest < 0.0:
        raise ValueError(invalid(name, "non-negative", smallest))
    return weights


def as_targets(name, y, size, like, of="Phi"):
    """Return targets of shape (n,) or (n, k), of the library of ``like``; ``of`` is its name."""
    y = _checked(name, y, (1, 2), f"({size},) or ({size}, k)")
    array_namespace(**{name: y, of: like})
    if y.shape[0] != size:
        constraint = f"of shape ({size},) or ({size}, k), a row for each row of {of}"
        raise ValueError(invalid(name, constraint, f"shape {tuple(y.shape)}"))
    return y


def _checked(name, value, dimensions, shape):
    value = as_numbers(name, value)
    dtype = working_dtype_name(name, value.dtype, allow_complex=False)
    if value.ndim not in dimensions:
        raise ValueError(invalid(name, f"of shape {shape}", f"shape {tuple(value.shape)}"))
    if 0 in value.shape:
        raise ValueError(invalid(name, "non-empty", f"shape {tuple(value.shape)}"))
    xp = array_namespace(**{name: value})
    value = xp.astype(value, dtype_of(xp, dtype), copy=False)
    # The sum first: it takes one pass, and is finite for nearly all that is.
    with np.errstate(over="ignore", invalid="ignore"):
        looks_finite = math.isfinite(float(xp.sum(value)))
    if not looks_finite and not bool(xp.all(xp.isfinite(value))):
        raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop those rows."))
    return value
