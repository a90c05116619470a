"""Solutions of differential equations in sparse lines or a frame: which functions, and Newton's method."""

import math
from dataclasses import dataclass, replace

import numpy as np

from spectralkit.gaussian_process._collocation import Collocation, Problem
from spectralkit.gaussian_process._conditions import rms
from spectralkit.gaussian_process._dictionary import Frame
from spectralkit.gaussian_process._identification import (
    boundary_signals,
    lines_of,
    source_signals,
)

# Relative size of the directions that least squares drops: lines are independent, a frame is not.
_RCOND_LINES, _RCOND_FRAME = 1e-14, 1e-13
# Weakest singular value that counts, in signals free of noise. Where the equation is not linear the signals
# are known better with each solution.
TOL_SIGNALS = 1e-9
_TOL_ROUNDS = (1e-3, 1e-6, 1e-8, 1e-9)
# Error at which another round would find rounding.
_ROUNDING = 1e-12
# Period of the frame over the length, and modes over points times that. A quarter is the most at which it
# stays well-determined; fewer are cheaper, and suffice for what is resolved with room to spare.
STRETCH, _FEW_MODES, MANY_MODES = 1.5, 0.15, 0.25
# Residual in several dimensions at which more modes, which take ten times as long, are not tried.
_FRAME_RESIDUAL = 1e-7
# Unknowns of a frame in several dimensions that are within seconds, and of any dictionary.
_FRAME_UNKNOWNS, _MAX_UNKNOWNS = 1500, 4000
_HALVINGS = 8


@dataclass(frozen=True)
class Solution:
    """Coefficients, and how well they satisfy the equations."""

    collocation: Collocation
    coef: np.ndarray
    rank: int
    n_iter: int
    change: float
    residual: float
    boundary_residual: float
    method: str

    @property
    def error(self):
        return max(self.residual, self.boundary_residual)


def newton(problem, dictionaries, method, max_newton, tol, start=None):
    """Return the solution in given dictionaries, by Newton's method where the equation is not linear."""
    collocation = Collocation(problem, dictionaries)
    C = np.zeros(collocation.shape) if start is None else start
    rcond = _RCOND_FRAME if method == "frame" else _RCOND_LINES
    is_linear = problem.nonlinear is None
    change, rank, n_iter = np.inf, 0, 0

    best = np.inf if is_linear else collocation.error(C)
    for n_iter in range(1, 2 if is_linear else max_newton + 1):  # noqa: B007
        step, rank = collocation.correction(C, rcond)
        length, after = 1.0, collocation.error(C + step)
        while not is_linear and not after < best and length > 0.5**_HALVINGS:
            length *= 0.5
            after = collocation.error(C + length * step)
        if not after < best:  # as far as rounding, or the functions, go: the residual tells
            change = 0.0
            break
        C, best = C + length * step, after
        values = (0,) * C.ndim
        size = max(rms(collocation.apply(C, values)), 1e-300)
        change = length * rms(collocation.apply(step, values)) / size
        if change <= tol:
            break
    return Solution(
        collocation,
        C,
        rank,
        n_iter,
        0.0 if is_linear else change,
        collocation.residual(C)[1],
        collocation.boundary_residual(C),
        method,
    )


def solve_lines(problem, n_lines, max_newton, tol, noise_std, *, uncertain=False):
    """Return the solution in the lines of the source and the boundary; None if they are too many.

    With ``uncertain`` there are functions for what noise leaves open.
    """
    # As many functions as points explain everything; and there is a limit to what is solved in seconds.
    unknowns = min(_FRAME_UNKNOWNS if uncertain else _MAX_UNKNOWNS, 5 * problem.source.size // 8)

    def dictionaries(source, tol_signals, *, with_source=True):
        all_signals = []
        for axis, x in enumerate(problem.grid):
            signals = source_signals(source, axis, noise_std) if with_source else []
            noise = noise_std / min((float(np.abs(signal).max()) for signal in signals), default=np.inf)
            traces = boundary_signals(problem.conditions, axis, len(x))
            all_signals.append(([*signals, *traces], x, noise))
        most = n_lines
        while most > 0:
            found = [
                lines_of(signals, x, tol_signals, most, noise, uncertain=uncertain)
                for signals, x, noise in all_signals
            ]
            if math.prod(dictionary.n_functions for dictionary in found) <= unknowns:
                return found
            most //= 2  # the strongest only: the residual tells if they do
        return None

    if problem.nonlinear is None:
        found = dictionaries(problem.source, TOL_SIGNALS)
        return found and newton(problem, found, "esprit", max_newton, tol)
    # The linear part has source - nonlinear(u) for its source, which a solution tells better than the guess
    # before. Traces on the boundary are exact from the start.
    traces = [boundary_signals(problem.conditions, axis, len(x)) for axis, x in enumerate(problem.grid)]
    best, source = None, problem.source
    for k, tol_signals in enumerate(_TOL_ROUNDS):
        from_traces = k == 0 and all(traces)
        found = dictionaries(source, tol_signals, with_source=not from_traces)
        if found is None:
            break
        linear = Problem(problem.grid, source, problem.terms, None, problem.conditions)
        start = None if best is None else newton(linear, found, "esprit", 1, tol).coef
        now = newton(problem, found, "esprit", max_newton, tol, start)
        if best is not None and now.error >= best.error:
            break
        best = now if best is None else replace(now, n_iter=best.n_iter + now.n_iter)
        if now.error <= _ROUNDING:
            break
        source = problem.source - problem.nonlinear(now.collocation.apply(now.coef, (0,) * now.coef.ndim))
    return best


def solve_frame(problem, n_modes, max_newton, tol, accept):
    """Return the solution in Fourier modes of a longer period: few of them, or many where few do not do."""
    n_dims = len(problem.grid)
    best = None
    if n_dims > 1:
        accept = max(accept, _FRAME_RESIDUAL)
    for fraction in (_FEW_MODES, MANY_MODES):
        cap = _FRAME_UNKNOWNS if fraction == _FEW_MODES else 2 * _FRAME_UNKNOWNS
        most = int((cap ** (1.0 / n_dims) - 1.0) / 2.0) if n_dims > 1 else np.inf
        modes = n_modes or [max(1, int(min(fraction * len(x) * STRETCH, most))) for x in problem.grid]
        found = [Frame(x[0], x[-1], k, STRETCH) for x, k in zip(problem.grid, modes, strict=True)]
        now = newton(problem, found, "frame", max_newton, tol)
        if best is None or now.error < best.error:
            best = now
        if n_modes or best.error <= accept:
            break
    return best
