"""Whether an equation has a solution without source and data, and whether a grid determines a frame."""

import math
from dataclasses import replace

import numpy as np
import scipy.linalg

from spectralkit.gaussian_process._collocation import Collocation, Problem, contract
from spectralkit.gaussian_process._dictionary import Frame
from spectralkit.gaussian_process._operators import linear_terms
from spectralkit.gaussian_process._units import scaled

# Modes along a side, and functions in all, that are searched: within a tenth of a second for constants.
_MODES, _UNKNOWNS = 150, 1000
# Points for each mode of the frame, whose period is half as long again as the box: three for a half-wave.
_POINTS_PER_MODE = 4
# Functions of the frame that are smaller than this would be told by rounding only; and those that a solution
# has no need of.
_DROP, _DROP_LARGE = 1e-13, 1e-8
_ITERATIONS = 4


def homogeneous_residual(problem, operator, units, stretch):
    """Return the least relative residual of a solution that is not zero where source and data are.

    Errors of these are larger by its inverse in the solution. What has more than 190 half-waves in one
    dimension, or 16 along a side in two, is not seen; infinity is returned where nothing can be said.
    """
    n_dims = len(problem.grid)
    most = min(_MODES, int((_UNKNOWNS ** (1.0 / n_dims) - 1.0) / 2.0))
    # The user's grid may have too few points, and a solution of lines needs no more.
    grid = [np.linspace(x[0], x[-1], _POINTS_PER_MODE * most + 1) for x in problem.grid]
    with np.errstate(all="ignore"):
        terms = problem.terms
        if not problem.is_separable:
            try:
                coordinates = [scaled(x, k) for x, k in zip(grid, units.lengths, strict=True)]
                terms = units.terms(linear_terms(operator, coordinates))
            except Exception:  # a function that knows the points of the user's grid only
                return math.inf
        found = _least_residual(_without_data(problem, grid, terms), most, stretch)
    return found if math.isfinite(found) else math.inf


def least_on_grid(frame, x):
    """Return the least size on points of those functions of a frame that are of size 1 on its interval."""
    even = np.linspace(frame.low, frame.high, _POINTS_PER_MODE * frame.n_modes + 1)
    values = frame.evaluate(x) @ _directions(frame, even, _DROP_LARGE)
    return float(np.linalg.norm(values, -2)) * math.sqrt(len(even) / len(x))


def _directions(frame, x, drop):
    """Return coefficients of functions of a frame that are orthonormal on points."""
    _, s, Vh = np.linalg.svd(frame.evaluate(x), full_matrices=False)
    kept = s > drop * s[0]
    return Vh[kept].T / s[kept]


def _least_residual(problem, n_modes, stretch):
    frames = [Frame(x[0], x[-1], n_modes, stretch) for x in problem.grid]
    collocation = Collocation(problem, frames)
    # How small a solution is, is asked of its values.
    directions = [_directions(frame, x, _DROP) for frame, x in zip(frames, problem.grid, strict=True)]
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
    if not np.isfinite(R).all():
        return math.inf
    y = _smallest(R).reshape([d.shape[1] for d in directions])
    return collocation.error(contract(y, directions))


def _without_data(problem, grid, terms):
    """Return the equation on another grid, without source and data."""
    conditions = []
    for condition in problem.conditions:
        others = [x for axis, x in enumerate(grid) if axis != condition.axis]
        shape = tuple(len(x[kept]) for x, kept in zip(others, condition.kept, strict=True))
        conditions.append(replace(condition, values=np.zeros(shape)))
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
