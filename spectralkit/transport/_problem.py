"""From arguments to a transport problem that a solver takes, and back."""

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, eps, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy, to_host
from spectralkit.transport._arguments import NEGLIGIBLE, as_array, as_weights, check_finite
from spectralkit.transport._costs import MatrixCost, PointCost, check_metric, pairwise_cost


@dataclass(frozen=True)
class Problem:
    """A checked transport problem, with weights that sum to one and none that is zero."""

    a: Any
    b: Any
    cost: Any
    """A `MatrixCost` or a `PointCost` on the host, an array elsewhere; between positive weights only."""
    full_cost: Any
    """The same between all points."""
    mass: float
    mismatch: float
    """Difference of the two total masses that was forgiven, relative to them."""
    rows: Any
    """Indices of the positive weights of ``a``; None for all."""
    columns: Any
    dtype: str
    """Name of the dtype in which results come back."""
    xp: Any


def make_problem(a, b, C, X, Y, metric, low_memory):
    """
    Check the arguments of a transport function.

    Parameters
    ----------
    a : array of shape (n,) or None
        Source weights; None for uniform.
    b : array of shape (m,) or None
        Target weights; None for uniform.
    C : array of shape (n, m) or None
        Cost; None to compute it from ``X`` and ``Y``.
    X : array of shape (n, d) or None
        Sources.
    Y : array of shape (m, d) or None
        Targets.
    metric : str or callable
        The cost of two points.
    low_memory : bool
        Whether to keep no copy of the cost.

    Returns
    -------
    Problem
        The problem.
    """
    check_metric(metric)
    if C is None:
        if X is None or Y is None:
            given = "no C and " + ("neither" if X is None and Y is None else "only one of X and Y")
            raise ValueError(invalid("C", "a cost matrix, or None with both X and Y", given))
        X, Y = (as_array(name, points, 2) for name, points in (("X", X), ("Y", Y)))
        xp = array_namespace(a=a, b=b, X=X, Y=Y)
        if X.shape[1] != Y.shape[1] and not callable(metric):
            remedy = "Both clouds must lie in the same space, unless metric is a callable."
            raise ValueError(invalid("Y", f"of shape (m, {X.shape[1]})", f"shape {tuple(Y.shape)}", remedy))
        for name, points in (("X", X), ("Y", Y)):
            check_finite(name, points, xp)
        like, shape, names = X, (X.shape[0], Y.shape[0]), ("X", "Y")
        dtype = common_dtype(X=X, Y=Y, a=a, b=b)
        if not is_numpy(xp):
            cost = pairwise_cost(X, Y, metric, xp)
        elif low_memory:
            cost = PointCost(X, Y, metric)
        else:
            cost = MatrixCost(pairwise_cost(X, Y, metric, xp))
    else:
        if X is not None or Y is not None:
            raise ValueError(invalid("C", "None where X and Y are given", "both", "Pass one or the other."))
        C = as_array("C", C, 2)
        xp = array_namespace(a=a, b=b, C=C)
        like, shape, names = C, tuple(C.shape), ("C", "C")
        dtype = common_dtype(C=C, a=a, b=b)
        cost = MatrixCost(C) if is_numpy(xp) else xp.astype(C, xp.float64)
    a, total_a, limit_a = check_mass("a", a, shape[0], f"the rows of {names[0]}", like, xp)
    columns = "the columns of C" if C is not None else "the rows of Y"
    b, total_b, limit_b = check_mass("b", b, shape[1], columns, like, xp)
    mismatch = abs(total_a - total_b) / max(total_a, total_b)
    if mismatch > max(limit_a, limit_b):
        raise ValueError(
            f"a and b must have the same total mass; got {total_a:.12g} and {total_b:.12g}. "
            "Normalise them by a / a.sum() and b / b.sum(), or scale one to the sum of the other."
        )
    a, b = a / total_a, b / total_b
    rows, columns = (_positive(weights, xp) for weights in (a, b))
    full_cost = cost
    if rows is not None or columns is not None:
        a, b, cost = _restrict(a, b, cost, rows, columns, xp)
    return Problem(a, b, cost, full_cost, total_a, mismatch, rows, columns, dtype, xp)


def check_cost_range(low, high):
    """Raise ValueError unless a cost with these extremes is finite and non-negative."""
    if not (math.isfinite(low) and math.isfinite(high)):
        remedy = "A forbidden pair takes a large finite cost."
        raise ValueError(invalid("C", "finite", "NaN or infinity", remedy))
    # Distances computed by a matrix product may come out negative by a rounding error.
    if low < -1e-12 * max(high, -low):
        remedy = "Subtract C.min(): the plan stays the same and the cost changes by C.min() times the mass."
        raise ValueError(invalid("C", "non-negative", low, remedy))


def common_dtype(**arrays):
    """Return the dtype of the results: the widest of the floating arrays, float64 where there is none."""
    names = [
        output_dtype_name(name, array.dtype)
        for name, array in arrays.items()
        if array_api_compat.is_array_api_obj(array) and "float" in dtype_name(array.dtype)
    ]
    order = ("float16", "bfloat16", "float32", "float64")
    return max((name for name in names if name in order), key=order.index, default="float64")


def check_mass(name, weights, size, of_what, like, xp):
    """Return weights in float64, their sum, and what two sums may differ by."""
    if weights is None:
        weights = xp.full(size, 1.0 / size, dtype=xp.float64, device=array_api_compat.device(like))
        return weights, 1.0, 1e-8
    given = dtype_name(weights.dtype) if hasattr(weights, "dtype") else "float64"
    weights, total = as_weights(name, weights, size, of_what, like)
    # Weights rounded to a narrow dtype miss their sum by about that much.
    return weights, total, max(1e-8, 16 * eps(given)) if "float" in given else 1e-8


def _positive(weights, xp):
    """Return the indices of the weights that count, None if all do."""
    kept = weights > NEGLIGIBLE
    if bool(xp.all(kept)):
        return None
    return np.flatnonzero(np.asarray(to_host(kept)))


def _restrict(a, b, cost, rows, columns, xp):
    if is_numpy(xp):
        rows = np.arange(a.size) if rows is None else rows
        columns = np.arange(b.size) if columns is None else columns
        return a[rows], b[columns], cost.take(rows, columns)
    if rows is not None:
        index = from_host(rows, xp, a)
        a, cost = xp.take(a, index), xp.take(cost, index, axis=0)
    if columns is not None:
        index = from_host(columns, xp, b)
        b, cost = xp.take(b, index), xp.take(cost, index, axis=1)
    return a, b, cost


def embed(potential, indices, size, xp):
    """Return a potential for all points: minus infinity where the weight is zero."""
    if indices is None:
        return potential
    full = np.full(size, -np.inf)
    full[indices] = to_host(potential)
    return from_host(full, xp, potential)


def restrict_potential(potential, indices, xp):
    """Return a potential for the points of positive weight only."""
    return potential if indices is None else xp.take(potential, from_host(indices, xp, potential))


def cast(array, dtype, xp):
    """Return an array in the dtype of the results."""
    with np.errstate(over="ignore"):  # to infinity, which the status mentions
        return xp.astype(array, dtype_of(xp, dtype), copy=False)
