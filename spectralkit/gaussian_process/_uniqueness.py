"""Whether a linear equation has a solution without source and without data: a resonance."""

from dataclasses import replace

import numpy as np
import scipy.linalg

from spectralkit.gaussian_process._collocation import Collocation, Problem, contract
from spectralkit.gaussian_process._dictionary import Frame

# Modes along a side, and functions in all, that are searched: within a fifth of a second.
_MODES, _UNKNOWNS = 200, 1000
# Points for each mode of the frame, whose period is half as long again as the box: three for a half-wave.
_POINTS_PER_MODE = 4
# Functions of the frame that are smaller than this on the grid would be told by rounding only.
_DROP = 1e-13
_ITERATIONS = 4


def homogeneous_residual(problem, stretch):
    """Return the least relative residual of a solution that is not zero where source and data are.

    Errors of these are larger by its inverse in the solution. What has more half-waves along a side than a
    third of the points, or than 260 in one dimension and 17 in two, is not seen.
    """
    most = min(_MODES, int((_UNKNOWNS ** (1.0 / len(problem.grid)) - 1.0) / 2.0))
    modes = [max(1, min(len(x) // _POINTS_PER_MODE, most)) for x in problem.grid]
    coarse = _on_fewer_points(problem, modes)
    frames = [Frame(x[0], x[-1], k, stretch) for x, k in zip(coarse.grid, modes, strict=True)]
    collocation = Collocation(coarse, frames)
    # Coefficients of functions that are orthonormal on the grid: how small one is, is asked of its values.
    directions = []
    for frame, x in zip(frames, coarse.grid, strict=True):
        _, s, Vh = np.linalg.svd(frame.evaluate(x), full_matrices=False)
        kept = s > _DROP * s[0]
        directions.append(Vh[kept].T / s[kept])
    zero = np.zeros(collocation.shape)
    equations = [collocation.source_equations(zero)[0]]
    equations += [B for B, _, _ in collocation.boundary_equations(zero)]
    blocks = []
    for A in equations:
        folded = contract(A.reshape(-1, *collocation.shape), [np.eye(len(A)), *(d.T for d in directions)])
        blocks.append(folded.reshape(len(A), -1))
        norms = np.linalg.norm(blocks[-1], axis=0)
        blocks[-1] /= np.median(norms[norms > 0.0]) if norms.any() else 1.0
    R = np.linalg.qr(np.concatenate(blocks), mode="r")
    y = _smallest(R).reshape([d.shape[1] for d in directions])
    return collocation.error(contract(y, directions))


def _on_fewer_points(problem, modes):
    """Return the equation without source and data on a part of the grid."""
    chosen = [
        np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS_PER_MODE * k + 1)).astype(int))
        for x, k in zip(problem.grid, modes, strict=True)
    ]
    part = np.ix_(*chosen)
    largest = max(float(np.abs(c).max()) for c, _ in problem.terms)  # squares are summed
    terms = [((c if isinstance(c, float) else c[part]) / largest, orders) for c, orders in problem.terms]
    conditions = []
    for condition in problem.conditions:
        others = [rows for axis, rows in enumerate(chosen) if axis != condition.axis]
        shape = tuple(len(rows[kept]) for rows, kept in zip(others, condition.kept, strict=True))
        conditions.append(replace(condition, values=np.zeros(shape)))
    grid = [x[rows] for x, rows in zip(problem.grid, chosen, strict=True)]
    return Problem(grid, np.zeros(tuple(map(len, grid))), terms, None, conditions)


def _smallest(R):
    """Return the right singular vector of the smallest singular value, by inverse iteration."""
    diagonal = np.abs(np.diag(R))
    floor = np.finfo(np.float64).eps * diagonal.max()
    R = R + np.diag(np.where(diagonal < floor, floor, 0.0))  # a zero would end the solution
    y = np.ones(len(R)) + 0.5 * np.cos(np.arange(len(R)))  # not orthogonal to what is even, or odd
    for _ in range(_ITERATIONS):
        y = scipy.linalg.solve_triangular(R, y, trans="T")
        y = scipy.linalg.solve_triangular(R, y / np.abs(y).max())
        y /= np.linalg.norm(y)
    return y
