"""Checks of arrays that the functions of this family share, and the way back from broadcasting."""

import functools
import math

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_flag, invalid
from spectralkit._core.dtypes import dtype_of, eps, output_dtype_name, working_dtype_name
from spectralkit._core.namespaces import array_namespace
from spectralkit._core.parallel import PARALLEL_THRESHOLD

_REAL = {"complex64": "float32", "complex128": "float64"}


# Arguments that may be left out, of all functions.
_OPTIONAL = ("D", "x0", "state_bar")


def as_arrays(*, real=(), **arrays):
    """
    Return the namespace, the arrays in the dtypes that they are computed in, and the dtypes of results.

    Optional arguments that are None stay None. Those named in ``real`` must not be complex. The dtypes of
    results are names, by argument.
    """
    arrays = {name: _as_numbers(name, value) for name, value in arrays.items()}
    xp = array_namespace(**arrays)
    given = {name: x for name, x in arrays.items() if x is not None}
    dtypes = {name: _dtype_names(xp, name, x.dtype, name in real) for name, x in given.items()}
    values = {name: _as_working(name, x, dtypes[name][0], xp) for name, x in given.items()}
    return xp, [values.get(name) for name in arrays], {name: output for name, (_, output) in dtypes.items()}


@functools.cache
def _dtype_names(xp, name, dtype, real):
    """
    Return the names of the dtypes that an argument is computed in, and that its results have.

    Cached, because NumPy composes the name of a dtype anew each time, and short chunks of streams would
    wait for that. By namespace, because the dtypes of two do not compare without a warning.
    """
    return working_dtype_name(name, dtype, allow_complex=not real), output_dtype_name(name, dtype)


def _as_working(name, value, dtype, xp):
    value = xp.astype(value, dtype_of(xp, dtype), copy=False)
    # The sum first: it takes one pass, and is finite for nearly all that is.
    with np.errstate(over="ignore", invalid="ignore"):
        looks_finite = bool(xp.isfinite(xp.sum(value)))
    if not looks_finite and not bool(xp.all(xp.isfinite(value))):
        raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop or repair those entries."))
    return value


def _as_numbers(name, value):
    if value is None:
        if name in _OPTIONAL:
            return None
        raise TypeError(invalid(name, "an array of numbers", None))
    return as_numbers(name, value)


def real_dtype_name(*dtypes):
    """Return the name of the real dtype of a result that depends on arrays of these dtypes, by name."""
    found = {_REAL.get(dtype, dtype) for dtype in dtypes}
    if "float64" in found:
        return "float64"
    return found.pop() if len(found) == 1 else "float32"


def check_axis(name, value, size=None, of=None):
    """Raise ValueError unless ``value`` has a last axis, of ``size`` elements where ``of`` says whose."""
    if value.ndim < 1 or (size is not None and value.shape[-1] != size):
        constraint = "an array with at least one axis"
        if size is not None:
            constraint = f"of shape (..., {size}), its last axis as long as that of {of}"
        raise ValueError(invalid(name, constraint, f"shape {tuple(value.shape)}"))


def leading_shape(**shapes):
    """Return the shape to which the leading axes of all arguments broadcast."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        found = ", ".join(f"{name} with {shape}" for name, shape in shapes.items())
        message = invalid(" and ".join(shapes), "of leading axes that broadcast", found)
        raise ValueError(message) from None


def check_stable(name, excess, dtype, allow_unstable, bound):
    """Raise ValueError where a mode grows by more than rounding, unless that is allowed."""
    if check_flag("allow_unstable", allow_unstable) or 0 in excess.shape:
        return
    xp = array_namespace(excess=excess)
    worst = float(xp.max(excess))
    if worst > 4 * eps(dtype):
        remedy = "Such modes grow without bound; pass allow_unstable=True if that is meant."
        raise ValueError(invalid(name, bound, f"an excess of {worst:.3g}", remedy))


def parts(value, xp):
    """Return the real and imaginary parts as float64, of real arrays too."""
    if xp.isdtype(value.dtype, "complex floating"):
        return xp.astype(xp.real(value), xp.float64), xp.astype(xp.imag(value), xp.float64)
    value = xp.astype(value, xp.float64, copy=False)
    return value, xp.zeros_like(value)


def faster(sequential, parallel, work):
    """Return the parallel twin of a compiled function where the work is worth waking threads for."""
    return parallel if work >= PARALLEL_THRESHOLD else sequential


def rows(value, lead, dtype):
    """Return a NumPy array broadcast to ``lead`` as a C-contiguous matrix, one row for each channel."""
    size = value.shape[-1]
    full = value if value.shape[:-1] == lead else np.broadcast_to(value, (*lead, size))
    return np.ascontiguousarray(full.reshape(math.prod(lead), size), dtype=dtype)


def sum_to(gradient, shape, dtype, xp):
    """Return a gradient as its argument is: broadcast axes summed, real if that is, of its dtype."""
    extra = gradient.ndim - len(shape)
    axes = (*range(extra), *(extra + i for i, size in enumerate(shape) if size == 1))
    if axes:
        gradient = xp.sum(gradient, axis=axes)
    if not dtype.startswith("complex") and xp.isdtype(gradient.dtype, "complex floating"):
        gradient = xp.real(gradient)
    return xp.astype(xp.reshape(gradient, shape), dtype_of(xp, dtype), copy=False)
