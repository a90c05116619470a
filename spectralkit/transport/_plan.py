"""The plan at given potentials, and the Newton system on it: compiled for NumPy, array operations otherwise.

Both classes hold ``P = exp((f + g - C) / reg)`` as an ``(m, n)`` array whose rows belong to the eliminated
potential ``g``. They differ in how they compute it, not in what.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from scipy.linalg.lapack import dposv

from spectralkit._core.parallel import PARALLEL_THRESHOLD, block_ranges
from spectralkit.transport._sinkhorn_numba import (
    column_exponentials,
    column_maxima,
    conjugate_gradients,
    count_above,
    dense_system,
    exponentials,
    gather_above,
    normalised_rows,
    scale_plan,
)

# Elements swept by one call of a kernel. Sums are taken block by block, so the blocks must not depend on the
# number of threads.
_BLOCK = 1 << 17
# Above this share of large entries the products with all of P are the faster ones.
_SPARSE = 1 / 8
# One iteration of conjugate gradients costs about 2 ns an entry, the Cholesky factorisation about 1 / 60 ns
# times n^3: iterating that long and factorising then costs at most twice the better of the two.
_CHOLESKY_RATIO = 120
_MAX_CG = 2000


class HostPlan:
    """The plan of a cost that is read row by row, with compiled sweeps."""

    def __init__(self, cost, a, b):
        self.cost, self.a, self.b = cost, a, b
        self.P = np.empty(cost.shape)
        self._log_b = np.log(b)
        self._blocks = list(block_ranges(cost.shape[0], max(1, _BLOCK // cost.shape[1])))
        self._factorise = False

    def _sweep(self, kernel):
        """Call ``kernel(index, start, stop)`` on every block of rows, on several threads if that pays."""
        threads = min(numba.get_num_threads(), len(self._blocks))
        if threads == 1 or self.P.size < PARALLEL_THRESHOLD:
            for index, (start, stop) in enumerate(self._blocks):
                kernel(index, start, stop)
            return
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(kernel, k, *block) for k, block in enumerate(self._blocks)]:
                done.result()

    def normalise(self, f, g, reg):
        """Fill P with rows that sum to ``b``; return its column sums and the potential that does it."""
        partial = np.empty((len(self._blocks), f.size))
        g_new = np.empty_like(g)

        def kernel(index, start, stop):
            rows = slice(start, stop)
            normalised_rows(
                self.cost.rows(start, stop),
                f,
                g[rows],
                self.b[rows],
                self._log_b[rows],
                reg,
                self.P[rows],
                partial[index],
                g_new[rows],
            )

        self._sweep(kernel)
        return partial.sum(axis=0), g_new

    def rescale(self, u, v):
        """Multiply the columns of P by ``u`` and its rows by ``v``."""

        def kernel(index, start, stop):
            scale_plan(self.P[start:stop], u, v[start:stop])

        self._sweep(kernel)

    def fill(self, f, g, reg):
        """Fill P as it is; return its column sums and its row sums."""

        def kernel(index, start, stop):
            exponentials(self.cost.rows(start, stop), f, g[start:stop], reg, self.P[start:stop])

        self._sweep(kernel)
        return self.P.sum(axis=0), self.P.sum(axis=1)

    def softmin(self, g, reg):
        """Return the ``f`` that gives every column the sum 1, in the log domain: no column can underflow."""
        top = np.full(self.a.size, -np.inf)
        total = np.zeros(self.a.size)
        for start, stop in self._blocks:
            column_maxima(self.cost.rows(start, stop), g[start:stop], top)
        for start, stop in self._blocks:
            column_exponentials(self.cost.rows(start, stop), g[start:stop], top, reg, total)
        return -top - reg * np.log(total)

    def mean_cost(self):
        """Return the cost of P."""
        partial = np.empty(len(self._blocks))

        def kernel(index, start, stop):
            partial[index] = np.vdot(self.P[start:stop], self.cost.rows(start, stop))

        self._sweep(kernel)
        return float(partial.sum())

    def direction(self, diagonal, row_sums, rhs, threshold, tolerance):
        """
        Solve ``(diag(diagonal) - P' diag(1 / row_sums) P) d = rhs`` with the entries of P above a threshold.

        Parameters
        ----------
        diagonal, rhs : array of shape (n,)
            The diagonal of the system, positive, and the right-hand side.
        row_sums : array of shape (m,)
            Row sums of P.
        threshold : array of shape (n,)
            Entries of P at most this large, by column, are left out.
        tolerance : float
            Residual, relative to the right-hand side, at which to stop.

        Returns
        -------
        array of shape (n,)
            The solution. P may be overwritten.
        """
        m, n = self.P.shape
        start = np.empty(m + 1, dtype=np.int64)
        count_above(self.P, threshold, start)
        size = int(start[-1])
        if size > _SPARSE * self.P.size:
            product = _eliminated(self.P, row_sums, diagonal)
            return conjugate_gradients_with(product, diagonal, rhs, tolerance, max_iter=_MAX_CG, xp=np)[0]
        column, entry = np.empty(size + 1, dtype=np.int32), np.empty(size + 1)
        gather_above(self.P, threshold, column, entry)
        system = (start, column, entry, 1.0 / row_sums, diagonal)
        d = np.empty(n)
        worth = n**3 // (_CHOLESKY_RATIO * max(size, 1))  # iterations that cost as much as the factorisation
        if not self._factorise:
            used = conjugate_gradients(
                *system, rhs, tolerance, min(_MAX_CG, max(20, worth)), d, np.empty((4, n))
            )
            if used >= 0 or worth > 4 * _MAX_CG:
                return d
            self._factorise = True  # the systems of a level become harder as it converges
        # Scaled to a unit diagonal: weights may span many orders of magnitude.
        scale = 1.0 / np.sqrt(diagonal)
        S = self.P.reshape(-1)[: n * n].reshape(n, n)
        dense_system(*system, scale, S)
        solution, info = dposv(S.T, scale * rhs, lower=0, overwrite_a=1)[1:]
        return scale * solution if info == 0 else d

    def new_level(self):
        """Forget what was learnt of the systems at another regularisation."""
        self._factorise = False


def host_plan(cost, f, g, reg):
    """Return ``exp((f + g - cost) / reg)`` with ``f`` belonging to the rows of the cost."""
    P = np.empty(cost.shape)
    for start, stop in block_ranges(cost.shape[0], max(1, _BLOCK // cost.shape[1])):
        exponentials(cost.rows(start, stop), g, f[start:stop], reg, P[start:stop])
    return P


class ArrayPlan:
    """The same in array-API operations, for any array library."""

    def __init__(self, cost, a, b, xp):
        self.cost, self.a, self.b, self.xp = cost, a, b, xp
        self.P = None
        self._log_b = xp.log(b)

    def normalise(self, f, g, reg):
        """Fill P with rows that sum to ``b``; return its column sums and the potential that does it."""
        xp = self.xp
        exponent = (f[None, :] - self.cost) / reg
        top = xp.max(exponent, axis=1, keepdims=True)
        P = xp.exp(exponent - top)
        total = xp.sum(P, axis=1, keepdims=True)
        self.P = P * (self.b[:, None] / total)
        return xp.sum(self.P, axis=0), reg * (self._log_b - xp.log(total[:, 0]) - top[:, 0])

    def rescale(self, u, v):
        """Multiply the columns of P by ``u`` and its rows by ``v``."""
        self.P = self.P * (v[:, None] * u[None, :])

    def fill(self, f, g, reg):
        """Fill P as it is; return its column sums and its row sums."""
        xp = self.xp
        self.P = xp.exp(((f[None, :] - self.cost) + g[:, None]) / reg)
        return xp.sum(self.P, axis=0), xp.sum(self.P, axis=1)

    def softmin(self, g, reg):
        """Return the ``f`` that gives every column the sum 1, in the log domain: no column can underflow."""
        xp = self.xp
        exponent = (g[:, None] - self.cost) / reg
        top = xp.max(exponent, axis=0)
        return -reg * (top + xp.log(xp.sum(xp.exp(exponent - top[None, :]), axis=0)))

    def mean_cost(self):
        """Return the cost of P."""
        return float(self.xp.sum(self.P * self.cost))

    def direction(self, diagonal, row_sums, rhs, threshold, tolerance):
        """Solve ``(diag(diagonal) - P' diag(1 / row_sums) P) d = rhs`` with all of P."""
        xp = self.xp
        product = _eliminated(self.P, row_sums, diagonal)
        d, solved = conjugate_gradients_with(product, diagonal, rhs, tolerance, max_iter=100, xp=xp)
        if solved:
            return d
        scale = 1.0 / xp.sqrt(diagonal)
        Q = self.P * scale[None, :]
        S = xp.eye(Q.shape[1], dtype=Q.dtype, device=Q.device) - Q.T @ (Q / row_sums[:, None])
        solution = scale * xp.linalg.solve(S, (scale * rhs)[:, None])[:, 0]
        return solution if math.isfinite(float(xp.sum(solution))) else d

    def new_level(self):
        """Do nothing: nothing is learnt."""


def conjugate_gradients_with(product, diagonal, rhs, tolerance, *, max_iter, xp):
    """
    Solve a system known by its products, preconditioned by its diagonal.

    Parameters
    ----------
    product : callable
        Maps an array of shape (n,) to the matrix times it.
    diagonal, rhs : array of shape (n,)
        Positive diagonal and right-hand side.
    tolerance : float
        Preconditioned residual, relative to that of zero, at which to stop.
    max_iter : int
        Iterations at the most.
    xp : namespace
        The array library.

    Returns
    -------
    array of shape (n,)
        The solution, or the last iterate.
    bool
        Whether the tolerance was reached.
    """
    x, r = xp.zeros_like(rhs), rhs
    q = r / diagonal
    decrease = float(r @ q)
    target = tolerance**2 * decrease
    for _ in range(max_iter):
        if decrease <= target:
            return x, True
        y = product(q)
        curvature = float(q @ y)
        if not curvature > 0.0:  # not definite to working precision
            return x, False
        step = decrease / curvature
        x, r = x + step * q, r - step * y
        z = r / diagonal
        decrease, previous = float(r @ z), decrease
        q = z + (decrease / previous) * q
    return x, decrease <= target


def _eliminated(P, row_sums, diagonal):
    """Return the product with ``diag(diagonal) - P' diag(1 / row_sums) P``."""
    return lambda x: diagonal * x - P.T @ ((P @ x) / row_sums)
