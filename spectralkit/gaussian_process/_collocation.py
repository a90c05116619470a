"""Least-squares collocation on a grid, in products of functions of one variable."""

import functools
import math

import numpy as np
import scipy.linalg

from spectralkit._core.checks import invalid
from spectralkit.gaussian_process._conditions import rms

# Directions of the functions and their derivatives on the grid that are rounding only.
_DROP = 1e-15
# Bytes of equations that are held at once where they cannot be compressed.
_BLOCK_BYTES = 2**26


class Problem:
    """A linear or nonlinear operator, its source on a grid, and conditions on the boundary."""

    def __init__(self, grid, source, terms, operator, conditions):
        self.grid = grid
        self.source = source
        self.terms = terms
        self.conditions = conditions
        is_linear = not hasattr(operator, "nonlinear")
        self.nonlinear = None if is_linear else self._wrapped(operator, "nonlinear")
        self.slope = None if is_linear else self._wrapped(operator, "nonlinear_derivative")
        self.is_separable = self.nonlinear is None and all(isinstance(c, float) for c, _ in terms)
        self.highest = max(max(orders) for _, orders in terms)
        self.lengths = [x[-1] - x[0] for x in grid]

    def _wrapped(self, operator, name):
        """Return a method of an operator with its values checked; they may be beyond the largest number."""
        method, shape = getattr(operator, name), self.source.shape

        def checked(u):
            with np.errstate(all="ignore"):
                values = np.asarray(method(u))
            if values.dtype.kind not in "fiu" or values.shape not in (shape, ()):
                given = f"shape {values.shape} and dtype {values.dtype}"
                raise ValueError(invalid(f"operator.{name}", f"real and of shape {shape}, as u", given))
            return np.broadcast_to(values.astype(np.float64), shape)

        return checked

    @functools.cached_property
    def size(self):
        """How large the source is, or would be for a smooth solution as large as the boundary data."""
        largest = 0.0
        for condition in self.conditions:
            largest = max(largest, rms(condition.values) * self.lengths[condition.axis] ** condition.order)
        return max(rms(self.source), *(self.smooth_size(term, largest) for term in self.terms))

    def smooth_size(self, term, largest):
        """Return how large a linear term is for a solution of a size that varies over the whole box."""
        coefficient, orders = term
        return float(np.abs(coefficient).max()) * largest / self.unit_of(orders)

    def unit_of(self, orders):
        """Return what a derivative is measured in: lengths of the box, to their powers."""
        return math.prod(n**order for n, order in zip(self.lengths, orders, strict=True))


class Collocation:
    """The equations of a problem for the coefficients of a product of dictionaries.

    Where coefficients are constant they are compressed exactly: dictionaries are closed under
    differentiation, so that with thin QR factors of the functions of each dimension the matrix is a sum of
    Kronecker products of small factors, and the source is projected. Its order does not depend on the grid
    then. Otherwise the equations are reduced by QR, block by block.
    """

    def __init__(self, problem, dictionaries):
        self.problem = problem
        self.dictionaries = dictionaries
        orders = range(problem.highest + 1)
        self._on_grid = [
            [dictionary.evaluate(x, order) for order in orders]
            for dictionary, x in zip(dictionaries, problem.grid, strict=True)
        ]
        self.shape = tuple(E[0].shape[1] for E in self._on_grid)
        self.size = math.prod(self.shape)

    @functools.cached_property
    def _factors(self):
        """Orthonormal bases, and the functions and their derivatives in them, in each dimension."""
        bases = [_basis(E[0]) for E in self._on_grid]
        return [(Q, [Q.T @ D for D in E]) for Q, E in zip(bases, self._on_grid, strict=True)]

    def apply(self, C, orders):
        """Return a derivative of the expansion on the grid."""
        return contract(C, [E[order] for E, order in zip(self._on_grid, orders, strict=True)])

    def residual(self, C):
        """Return what is left of the source, and its size relative to that of the terms."""
        problem = self.problem
        left, scale = problem.source.copy(), rms(problem.source)
        values = self.apply(C, (0,) * len(self.shape))
        with np.errstate(over="ignore", invalid="ignore"):
            for coefficient, orders in problem.terms:
                term = coefficient * self.apply(C, orders)
                left -= term
                # A constant has derivatives of zero, up to rounding that is relative to the last of these.
                smooth = rms(coefficient * values) / problem.unit_of(orders)
                scale = max(scale, rms(term), smooth)
            if problem.nonlinear is not None:
                term = problem.nonlinear(values)
                left -= term
                scale = max(scale, rms(term))
        return left, (rms(left) / scale if scale > 0.0 else 0.0)

    def error(self, C):
        """Return the larger of both residuals; NaN if something overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return max(self.residual(C)[1], self.boundary_residual(C))

    def boundary_residual(self, C):
        """Return the largest deviation from a condition, relative to the solution there or at large."""
        largest, worst = rms(self.apply(C, (0,) * len(self.shape))), 0.0
        for condition in self.problem.conditions:
            value = contract(C, self._matrices(condition))
            left = value.reshape(condition.values.shape) - condition.values
            # Derivatives that are to be zero are so up to rounding, which is relative to this.
            smooth = largest / self.problem.lengths[condition.axis] ** condition.order
            scale = max(rms(condition.values), rms(value), smooth)
            worst = max(worst, rms(left) / scale if scale > 0.0 else 0.0)
        return worst

    def _matrices(self, condition):
        """Return the functions on a face, in each dimension."""
        axes = [a for a in range(len(self.shape)) if a != condition.axis]
        found = [None] * len(self.shape)
        for a, kept in zip(axes, condition.kept, strict=True):
            found[a] = self._on_grid[a][0][kept]
        found[condition.axis] = sum(
            factor * self.dictionaries[condition.axis].evaluate(np.array([point]), order)
            for point, order, factor in condition.pieces
        )
        return found

    def boundary_equations(self, C):
        """Yield the compressed equations of each condition for a correction of the coefficients.

        Third is the squared norm that is left outside.
        """
        for condition in self.problem.conditions:
            matrices = self._matrices(condition)
            values = condition.values - contract(C, matrices).reshape(condition.values.shape)
            left = np.expand_dims(values, condition.axis)
            for a, M in enumerate(matrices):
                if a != condition.axis and len(M) > M.shape[1]:
                    Q, matrices[a] = np.linalg.qr(M)
                    left = along(left, Q.T, a)
            outside = max(float(np.sum(values**2) - np.sum(left**2)), 0.0)
            yield _kron(matrices), left.ravel(), outside

    def source_equations(self, C):
        """Return the matrix and right side of the compressed equations, and the squared norm left outside."""
        problem, (left, _) = self.problem, self.residual(C)
        if problem.is_separable:
            R = [factor for _, factor in self._factors]
            A = sum(c * _kron([r[o] for r, o in zip(R, orders, strict=True)]) for c, orders in problem.terms)
            y = contract(left, [Q.T for Q, _ in self._factors])
            return A, y.ravel(), max(float(np.sum(left**2) - np.sum(y**2)), 0.0)
        slope = None
        if problem.slope is not None:
            slope = problem.slope(self.apply(C, (0,) * len(self.shape)))
        first, *rest = (len(x) for x in problem.grid)
        step = max(1, _BLOCK_BYTES // (8 * self.size * math.prod(rest)), self.size // max(math.prod(rest), 1))
        reduced = np.empty((0, self.size + 1))
        for start in range(0, first, step):
            rows = slice(start, start + step)
            with np.errstate(over="ignore", invalid="ignore"):
                block = self._block(rows, slope)
            block = np.concatenate([block, left[rows].reshape(-1, 1)], axis=1)
            # Their squares are summed.
            if not np.abs(block).max() < 1e150:
                name = "operator.terms" if problem.nonlinear is None else "operator.nonlinear"
                constraint = "defined and below 1e150 at every step of Newton's method"
                raise ValueError(invalid(name, constraint, "other values", "Scale u."))
            reduced = np.concatenate([reduced, block])
            if len(reduced) > reduced.shape[1]:
                reduced = np.linalg.qr(reduced, mode="r")
        outside = float(reduced[self.size, -1] ** 2) if len(reduced) > self.size else 0.0
        return reduced[: self.size, :-1], reduced[: self.size, -1], outside

    def _block(self, rows, slope):
        """Return the equations of some layers of the grid along its first dimension."""
        block = 0.0
        for c, orders in self.problem.terms:
            matrices = [E[order] for E, order in zip(self._on_grid, orders, strict=True)]
            part = _kron([matrices[0][rows], *matrices[1:]])
            block = block + (c * part if isinstance(c, float) else c[rows].reshape(-1, 1) * part)
        if slope is not None:
            values = _kron([self._on_grid[0][0][rows], *(E[0] for E in self._on_grid[1:])])
            block += slope[rows].reshape(-1, 1) * values
        return block

    def correction(self, C, rcond):
        """Return the least-squares correction of the coefficients, and the rank of the equations."""
        A, y, _ = self.source_equations(C)
        weight = typical_norm(A) or 1.0
        rows, right = [A], [y]
        for B, g, _ in self.boundary_equations(C):
            scale = weight / (typical_norm(B) or 1.0)
            rows.append(scale * B)
            right.append(scale * g)
        A, y = np.concatenate(rows), np.concatenate(right)
        norms = np.linalg.norm(A, axis=0)
        norms[norms == 0.0] = 1.0
        # Pivoted QR: as safe as singular values here, at a fifth of their cost.
        c, _, rank, _ = scipy.linalg.lstsq(A / norms, y, cond=rcond, lapack_driver="gelsy", overwrite_a=True)
        return (c / norms).reshape(self.shape), int(rank)


def _basis(A):
    """Return an orthonormal basis of the columns, up to rounding."""
    norms = np.linalg.norm(A, axis=0)
    norms[norms == 0.0] = 1.0
    Q, R, _ = scipy.linalg.qr(A / norms, mode="economic", pivoting=True)
    return Q[:, np.abs(np.diag(R)) > _DROP * abs(R[0, 0])]


def typical_norm(A):
    """Return the median norm of the columns that are not zero, such as those of polynomials become."""
    norms = np.linalg.norm(A, axis=0)
    return float(np.median(norms[norms > 0.0])) if norms.any() else 0.0


def _kron(matrices):
    """Return the Kronecker product, the first matrix slowest."""
    return functools.reduce(np.kron, matrices)


def along(array, matrix, axis):
    """Return the product with a matrix along one axis."""
    return np.moveaxis(np.tensordot(matrix, array, (1, axis)), 0, axis)


def contract(C, matrices):
    """Return an array multiplied by one matrix along each axis."""
    for axis, matrix in enumerate(matrices):
        C = along(C, matrix, axis)
    return C
