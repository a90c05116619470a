"""Arguments of the solver of differential equations, checked."""

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.dtypes import output_dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy, library_name
from spectralkit.gaussian_process._solver import MANY_MODES, STRETCH

_MIN_POINTS = 8


def checked_data(grid, source, boundary):
    """Return the grid, the source and the boundary, checked."""
    axes = grid if isinstance(grid, list | tuple) else (grid,)
    axes = [as_numbers("grid", axis) for axis in axes]
    source = as_numbers("source", source)
    boundary = None if boundary is None else as_numbers("boundary", boundary)
    for name, array in [*(("grid", axis) for axis in axes), ("source", source), ("boundary", boundary)]:
        if array is None:
            continue
        xp = array_namespace(**{name: array})
        if not is_numpy(xp):
            raise TypeError(invalid(name, "a NumPy array", f"a {library_name(xp)} array", "Convert it."))
        if output_dtype_name(name, array.dtype).startswith("complex"):
            raise ValueError(invalid(name, "real", f"dtype {array.dtype}", "Solve for both parts."))
    shape = tuple(map(len, axes))
    for k, axis in enumerate(axes):
        if axis.ndim != 1 or len(axis) < _MIN_POINTS:
            constraint = f"a tuple of one-dimensional arrays of at least {_MIN_POINTS} points"
            raise ValueError(invalid("grid", constraint, f"shape {axis.shape} in dimension {k}"))
        if not (np.isfinite(axis).all() and (np.diff(axis.astype(np.float64)) > 0.0).all()):
            raise ValueError(invalid("grid", "finite and increasing", f"neither in dimension {k}"))
    if source.shape != shape:
        raise ValueError(invalid("source", f"of shape {shape}, as the grid", f"shape {source.shape}"))
    if not np.isfinite(source).all():
        raise ValueError(invalid("source", "finite", "NaN or infinity"))
    if boundary is None:
        boundary = np.full(shape, np.nan)
    if boundary.shape != shape:
        raise ValueError(invalid("boundary", f"of shape {shape}, as the grid", f"shape {boundary.shape}"))
    if np.isinf(boundary).any():
        raise ValueError(invalid("boundary", "finite, or NaN where there is none", "infinity"))
    return axes, source, boundary


def is_uniform(x):
    """Return whether points are equally spaced, as far as their dtype tells."""
    unit = np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps
    even = np.linspace(float(x[0]), float(x[-1]), len(x))
    return bool(np.abs(x - even).max() <= 8.0 * unit * np.abs(even).max() + 1e-9 * (even[1] - even[0]))


def checked_frequencies(omega):
    omega = np.unique(np.asarray(as_numbers("init", omega), dtype=np.float64))
    if omega.ndim != 1 or not np.isfinite(omega).all() or (omega < 0.0).any():
        raise ValueError(invalid("init", "an option, or finite angular frequencies of at least 0", omega))
    return omega[omega > 0.0]  # constants are in every dictionary


def checked_modes(n_modes, grid):
    if n_modes is None:
        return None
    modes = [n_modes] * len(grid) if np.ndim(n_modes) == 0 else list(n_modes)
    if len(modes) != len(grid):
        raise ValueError(
            invalid("n_modes", f"one number, or one for each of {len(grid)} dimensions", n_modes)
        )
    highest = [max(1, int(MANY_MODES * STRETCH * len(x))) for x in grid]
    remedy = "Beyond a quarter of the points, times 1.5, a frame is not determined."
    return [check_integer("n_modes", int(k), 1, high, remedy) for k, high in zip(modes, highest, strict=True)]


def checked_orders(derivative, n_dims):
    if derivative is None:
        return (0,) * n_dims
    orders = (derivative,) if np.ndim(derivative) == 0 else tuple(derivative)
    if len(orders) != n_dims:
        raise ValueError(invalid("derivative", f"{n_dims} orders, one for each dimension", derivative))
    return tuple(check_integer("derivative", order, 0) for order in orders)
