"""Costs of moving mass, as matrices or computed from points a few rows at a time."""

import math
from functools import partial

import array_api_compat.numpy as numpy_namespace
import numpy as np

from spectralkit._core.checks import invalid
from spectralkit._core.namespaces import is_numpy
from spectralkit._core.parallel import block_ranges
from spectralkit.transport._arguments import as_array

METRICS = ("sqeuclidean", "euclidean", "cityblock")
# Entries of the cost read at a time where all of it is passed through.
_BLOCK = 1 << 17


class MatrixCost:
    """A cost matrix in memory, of any real dtype and layout; its rows come as contiguous float64."""

    def __init__(self, matrix):
        self.matrix = matrix
        self.shape = tuple(matrix.shape)

    def transposed(self):
        """Return the cost of moving the other way."""
        return MatrixCost(self.matrix.T)

    def rows(self, start, stop):
        """Return the rows from ``start`` to ``stop``, without a copy where they are stored so."""
        return np.ascontiguousarray(self.matrix[start:stop], dtype=np.float64)

    def take(self, rows, columns):
        """Return the cost between some rows and columns only."""
        return MatrixCost(self.matrix[np.ix_(rows, columns)])


class PointCost:
    """The cost between two clouds, computed anew at every reading: it takes no memory."""

    def __init__(self, X, Y, metric):
        self.X, self.Y, self.metric = X, Y, metric
        self.shape = (X.shape[0], Y.shape[0])

    def transposed(self):
        """Return the cost of moving the other way."""
        symmetric = isinstance(self.metric, str)
        return PointCost(self.Y, self.X, self.metric if symmetric else partial(_exchanged, self.metric))

    def rows(self, start, stop):
        """Return the rows from ``start`` to ``stop``."""
        return np.ascontiguousarray(pairwise_cost(self.X[start:stop], self.Y, self.metric, numpy_namespace))

    def take(self, rows, columns):
        """Return the cost between some rows and columns only."""
        return PointCost(self.X[rows], self.Y[columns], self.metric)


class ShiftedCost:
    """A cost less a constant: far from zero its entries would leave the potentials no digits."""

    def __init__(self, cost, offset):
        self.cost, self.offset, self.shape = cost, offset, cost.shape

    def transposed(self):
        """Return the cost of moving the other way."""
        return ShiftedCost(self.cost.transposed(), self.offset)

    def rows(self, start, stop):
        """Return the rows from ``start`` to ``stop``."""
        return self.cost.rows(start, stop) - self.offset

    def take(self, rows, columns):
        """Return the cost between some rows and columns only."""
        return ShiftedCost(self.cost.take(rows, columns), self.offset)


def _exchanged(metric, X, Y):
    return metric(Y, X).T


def check_metric(metric):
    """Raise ValueError unless ``metric`` is a name that is known, or a callable."""
    if not callable(metric) and metric not in METRICS:
        remedy = "A callable metric(X, Y) -> (n, m) computes any other cost."
        raise ValueError(invalid("metric", "one of " + ", ".join(map(repr, METRICS)), metric, remedy))


def pairwise_cost(X, Y, metric, xp):
    """
    Return the cost between the rows of ``X`` and of ``Y`` in float64.

    Parameters
    ----------
    X : array of shape (n, d)
        Sources.
    Y : array of shape (m, d)
        Targets.
    metric : str or callable
        A name in ``METRICS``, or ``metric(X, Y) -> (n, m)``.
    xp : namespace
        The array library of both.

    Returns
    -------
    array of shape (n, m)
        The cost.
    """
    if callable(metric):
        return _called(metric, X, Y, xp)
    X, Y = xp.asarray(X, dtype=xp.float64), xp.asarray(Y, dtype=xp.float64)
    if metric == "sqeuclidean":
        # From the centre, because the squares of coordinates far from zero would swallow the distances.
        with np.errstate(over="ignore", invalid="ignore"):  # costs are checked to be finite
            centre = xp.mean(Y, axis=0)
            X, Y = X - centre, Y - centre
            cost = (-2.0 * X) @ Y.T
            cost += xp.sum(X * X, axis=1)[:, None]
            cost += xp.sum(Y * Y, axis=1)[None, :]
        cost[cost < 0.0] = 0.0
        return cost
    if is_numpy(xp):
        from scipy.spatial.distance import cdist

        return cdist(X, Y, metric)
    total = xp.zeros((X.shape[0], Y.shape[0]), dtype=xp.float64, device=X.device)
    for feature in range(X.shape[1]):  # one feature at a time: no (n, m, d) array
        difference = X[:, feature][:, None] - Y[:, feature][None, :]
        total = total + (difference * difference if metric == "euclidean" else xp.abs(difference))
    return xp.sqrt(total) if metric == "euclidean" else total


def _called(metric, X, Y, xp):
    """Return the cost that a callable computes, after a look at what it returned."""
    cost, shape = metric(X, Y), (X.shape[0], Y.shape[0])
    found = tuple(getattr(cost, "shape", ()))
    if found != shape:
        raise ValueError(invalid("metric", f"a cost of shape {shape} when called", f"shape {found}"))
    return xp.asarray(as_array("metric", cost, 2), dtype=xp.float64)


def extremes(cost, xp):
    """Return the smallest and the largest entry of a cost: NaN if there is one."""
    if not is_numpy(xp):
        return float(xp.min(cost)), float(xp.max(cost))
    low, high = math.inf, -math.inf
    for start, stop in block_ranges(cost.shape[0], max(1, _BLOCK // cost.shape[1])):
        block = cost.rows(start, stop)
        # np.minimum, unlike min, keeps NaN.
        low, high = np.minimum(low, block.min()), np.maximum(high, block.max())
    return float(low), float(high)
