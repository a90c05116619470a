"""Arguments of the solver of differential equations, checked."""

import numpy as np

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_integer, check_option, invalid
from spectralkit._core.dtypes import output_dtype_name
from spectralkit._core.namespaces import array_namespace, is_numpy, library_name
from spectralkit.gaussian_process._solver import MANY_MODES, STRETCH

_MIN_POINTS = 8


def checked_data(grid, source, boundary):
    """Return the grid, the source and the boundary, checked."""
    axes = grid if isinstance(grid, list | tuple) else (grid,)
    axes = [host_array("grid", axis) for axis in axes]
    source = host_array("source", source)
    boundary = None if boundary is None else host_array("boundary", boundary)
    for k, axis in enumerate(axes):
        if axis.ndim != 1 or axis.size < _MIN_POINTS:
            constraint = f"a tuple of one-dimensional arrays of at least {_MIN_POINTS} points"
            raise ValueError(invalid("grid", constraint, f"shape {axis.shape} in dimension {k}"))
        if not (np.isfinite(axis).all() and (np.diff(axis.astype(np.float64)) > 0.0).all()):
            raise ValueError(
                invalid("grid", "finite and increasing", f"an array that is not in dimension {k}")
            )
    shape = tuple(map(len, axes))
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


def host_array(name, value):
    """Return a real array of NumPy."""
    array = as_numbers(name, value)
    xp = array_namespace(**{name: array})
    if not is_numpy(xp):
        raise TypeError(invalid(name, "a NumPy array", f"an array of {library_name(xp)}", "Convert it."))
    if output_dtype_name(name, array.dtype).startswith("complex"):
        raise ValueError(invalid(name, "real", f"dtype {array.dtype}", "Solve for both parts."))
    return array


def is_uniform(x):
    """Return whether points are equally spaced, as far as their dtype tells."""
    unit = np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps
    even = np.linspace(float(x[0]), float(x[-1]), len(x))
    return bool(np.abs(x - even).max() <= 8.0 * unit * np.abs(even).max() + 1e-9 * (even[1] - even[0]))


def checked_init(init, n_dims):
    """Return how the spectrum is found, and the given frequencies of each dimension."""
    if isinstance(init, str):
        check_option("init", init, ("esprit", "frame", "evidence"))
        return init, None
    is_nested = isinstance(init, list | tuple) and len(init) > 0 and np.ndim(init[0]) > 0
    given = [_checked_frequencies(axis) for axis in (init if is_nested else [init])]
    if len(given) not in (1, n_dims):
        constraint = f"frequencies for each of {n_dims} dimensions"
        raise ValueError(invalid("init", constraint, f"a list of {len(given)}"))
    return "given", given * n_dims if len(given) == 1 else given


def _checked_frequencies(omega):
    constraint = '"esprit", "frame", "evidence", or finite angular frequencies of at least 0'
    omega = as_numbers("init", omega)
    if not isinstance(omega, np.ndarray) or omega.dtype.kind not in "fiu" or omega.ndim > 1:
        given = f"an array of shape {tuple(omega.shape)} and dtype {omega.dtype}"
        raise TypeError(invalid("init", constraint, given))
    omega = np.unique(omega.astype(np.float64))
    if not np.isfinite(omega).all() or (omega < 0.0).any():
        raise ValueError(invalid("init", constraint, omega))
    return omega[omega > 0.0]  # constants are in every dictionary


def checked_modes(n_modes, grid):
    if n_modes is None:
        return None
    modes = list(n_modes) if isinstance(n_modes, list | tuple | np.ndarray) else [n_modes] * len(grid)
    if len(modes) != len(grid):
        raise ValueError(
            invalid("n_modes", f"one number, or one for each of {len(grid)} dimensions", n_modes)
        )
    highest = [max(1, int(MANY_MODES * STRETCH * len(x))) for x in grid]
    remedy = "Beyond a quarter of the points, times 1.5, a frame is not determined."
    return [check_integer("n_modes", k, 1, high, remedy) for k, high in zip(modes, highest, strict=True)]


def checked_orders(derivative, n_dims):
    if derivative is None:
        return (0,) * n_dims
    orders = (derivative,) if np.ndim(derivative) == 0 else tuple(derivative)
    if len(orders) != n_dims:
        raise ValueError(invalid("derivative", f"{n_dims} orders, one for each dimension", derivative))
    return tuple(check_integer("derivative", order, 0) for order in orders)
