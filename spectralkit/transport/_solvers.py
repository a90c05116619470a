"""The three solvers of entropic transport, on plans of any array library; weights sum to one here.

The dual to maximise is ``F(f, g) = f·a + g·b - reg sum exp((f + g - C) / reg)``. Rows of a plan belong to
``g`` and ``b``, columns to ``f`` and ``a``. Where its rows are normalised, F is the semi-dual: a function of
``f`` alone with gradient ``a - P'1`` and Hessian ``-(diag(P'1) - P' diag(1/b) P) / reg``.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralkit._core.namespaces import is_numpy
from spectralkit.transport._arguments import NEGLIGIBLE
from spectralkit.transport._plan import conjugate_gradients_with

# Regularisations are visited from the largest below range(C) / 8, where few Sinkhorn iterations suffice.
_EASY = 8.0
_LARGE_FACTOR, _SMALL_FACTOR, _CLOSEST_FACTOR = 4.0, 2.0, 1.1
_WARM_UP = 8
# A plan is absorbed into the potentials before its scaling grows beyond this.
_ABSORB = math.log(1e4)
# Newton steps move no potential by more than this many reg off the middle: sums change by e^8 at the most.
_CLIP = 8.0
# Newton steps without a halving of the error after which a level is given up.
_PATIENCE = 10
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Point:
    """Potentials with the figures of their plan."""

    f: Any
    g: Any
    column_sums: Any
    """Of the plan; not only their difference from ``a``, where small ones would drown."""
    residual: Any
    """What the columns lack: ``a - column_sums``."""
    value: float
    error: float
    """L1 norm of the residuals of both marginals."""


class Run:
    """One call: the problem, the budget, and what was used of it."""

    def __init__(self, plan, a, b, xp, *, max_iter, report):
        self.plan, self.a, self.b, self.xp = plan, a, b, xp
        self.log_a = xp.log(a)
        # Where the solution of one level starts the next: no column may be misplaced as a whole.
        self.level_tol = min(1e-2, max(1e-4, 0.3 / a.shape[0]))
        self.max_iter, self._report = max_iter, report
        self.n_iter = self.n_newton = self.n_evaluations = 0
        self.stopped = False
        self.stagnated = False
        self._latest = None

    @property
    def exhausted(self):
        """Whether no further iteration is allowed."""
        return self.stopped or self.n_iter >= self.max_iter

    def count(self, error):
        """Count an iteration and report it."""
        self.n_iter += 1
        self.stopped = self._report(self.n_iter, error) or self.stopped

    def evaluate(self, f, g, reg):
        """Return the point whose rows are normalised."""
        column_sums, g = self.plan.normalise(f, g, reg)
        self.n_evaluations += 1
        self._latest = self._point(f, g, column_sums, reg)
        return self._latest

    def _point(self, f, g, column_sums, reg):
        residual = self.a - column_sums
        value = float(f @ self.a) + float(g @ self.b) - reg
        return Point(f, g, column_sums, residual, value, float(self.xp.sum(self.xp.abs(residual))))

    def refreshed(self, point, reg):
        """Return a point whose plan is in memory, as computed from its potentials."""
        return point if point is self._latest else self.evaluate(point.f, point.g, reg)

    def rescaled(self, point, u, v, column_sums, reg):
        """Return the point whose plan is that of another times ``u`` and ``v``, without an exponential."""
        self.plan.rescale(u, v)
        self._latest = None
        f, g = point.f + reg * self.xp.log(u), point.g + reg * self.xp.log(v)
        return self._point(f, g, column_sums, reg)

    def forget(self):
        """Note that the plan in memory may have been overwritten."""
        self._latest = None

    def start(self, f, g, reg):
        """Return the point at new potentials, after filling columns that would be empty."""
        point = self.evaluate(f, g, reg)
        empty = point.column_sums <= NEGLIGIBLE
        if not bool(self.xp.any(empty)):
            return point
        # Their entries underflow, and no scaling revives a zero.
        f = self.xp.where(empty, self.plan.softmin(point.g, reg) + reg * self.log_a, f)
        return self.evaluate(f, point.g, reg)

    def rounding(self, point, reg):
        """Return what rounding may change the value of a point by."""
        xp = self.xp
        return 16 * _EPS * (float(xp.abs(point.f) @ self.a) + float(xp.abs(point.g) @ self.b) + reg)

    def gap(self, point):
        """Return primal minus dual value: the cost of the residual, however the potentials are shifted."""
        return abs(float(point.residual @ (point.f - self.xp.mean(point.f))))


def sinkhorn_iterations(run, point, reg, tolerance, limit):
    """Return the point after Sinkhorn iterations on the plan in hand, two products each."""
    xp, P = run.xp, run.plan.P
    u, v = xp.ones_like(run.a), xp.ones_like(run.b)
    sums = point.column_sums
    for _ in range(limit):
        if run.exhausted or float(xp.min(sums)) <= NEGLIGIBLE:
            break
        new_u = run.a / sums
        new_v = run.b / (P @ new_u)
        new_sums = new_v @ P
        error = float(xp.sum(xp.abs(new_u * new_sums - run.a)))
        if not math.isfinite(error):
            break
        u, v, sums = new_u, new_v, new_sums
        run.count(error)
        drift = max(float(xp.max(xp.abs(xp.log(w)))) for w in (u, v))
        if drift > _ABSORB:
            return run.start(point.f + reg * xp.log(u), point.g + reg * xp.log(v), reg)
        if error <= tolerance:
            break
    return run.rescaled(point, u, v, u * sums, reg)


def log_sinkhorn(run, reg, tolerance, start):
    """Sinkhorn's algorithm from constant scalings, or from ``start``."""
    f, g = start or (reg * run.log_a, run.xp.zeros_like(run.b))
    point = run.start(f, g, reg)
    while point.error > tolerance and not run.exhausted:
        before = run.n_iter
        point = sinkhorn_iterations(run, point, reg, tolerance, run.max_iter)
        run.stagnated = run.n_iter == before
        if run.stagnated:
            break
    return point


def newton(run, reg, spread, tolerance, start):
    """
    Newton's method on the semi-dual, along a path of decreasing regularisation.

    Parameters
    ----------
    run : Run
        The problem.
    reg : float
        The regularisation that is asked for.
    spread : float
        Largest minus smallest cost.
    tolerance : float
        L1 error at which to stop.
    start : tuple of arrays or None
        Potentials to start from.

    Returns
    -------
    Point
        The last point, at ``reg``.
    """
    if start is not None:
        point = run.start(*start, reg)
        if point.error <= 0.1:  # otherwise the path is the shorter way
            point, _, converged = _newton_level(run, point, reg, tolerance, gap=0.01 * tolerance * spread)
            if converged or run.exhausted:
                return point
    level = reg
    while level * _LARGE_FACTOR < spread / _EASY:
        level *= _LARGE_FACTOR
    solved = []
    point = run.start(level * run.log_a, run.xp.zeros_like(run.b), level)
    while True:
        run.plan.new_level()
        if level <= reg:
            point, steps, converged = _newton_level(run, point, reg, tolerance, gap=0.01 * tolerance * spread)
        else:
            point, steps, converged = _newton_level(run, point, level, run.level_tol)
        if level <= reg and (converged or run.exhausted):
            return point
        if converged or run.exhausted:
            solved = [*solved[-1:], (level, point.f - level * run.log_a)]
            # A level that was hard is followed by a closer one: where costs tie or nearly do, the path bends.
            factor = _LARGE_FACTOR if steps <= 3 else _SMALL_FACTOR
            level = level / factor if level / factor > 1.5 * reg and not run.exhausted else reg
        elif solved and solved[-1][0] > _CLOSEST_FACTOR * level:
            level = math.sqrt(solved[-1][0] * level)  # too far from the last level
        elif level > reg:
            solved = [*solved[-1:], (level, point.f - level * run.log_a)]
            level = max(reg, level / _SMALL_FACTOR)
        else:
            run.stagnated = True
            return point
        point = run.start(_predict(solved, level) + level * run.log_a, point.g, level)


def _predict(solved, level):
    """Extrapolate the potentials to another regularisation.

    As it vanishes they become linear in it: the potentials of the linear program, plus reg times the scaling
    of the plan on its face of optimal plans.
    """
    reg, f = solved[-1]
    if len(solved) < 2:
        return f
    previous_reg, previous = solved[0]
    return f + (f - previous) * ((level - reg) / (reg - previous_reg))


def _newton_level(run, point, reg, tolerance, gap=math.inf):
    """Return the point at one regularisation, the Newton steps that it took, and whether it converged."""
    warm, warm_tol = 0, max(tolerance, 1e-2)
    while point.error > warm_tol and warm < _WARM_UP and not run.exhausted:
        before = run.n_iter
        point = sinkhorn_iterations(run, point, reg, warm_tol, _WARM_UP - warm)
        if run.n_iter == before:
            break
        warm += run.n_iter - before
    shift, steps, polish = 1e-2, 0, 0
    best, best_at = point.error, 0
    while not run.exhausted:
        if point.error <= tolerance:
            # The duality gap is the error weighted by the potentials; Newton's last steps are cheap.
            if run.gap(point) <= max(gap, run.rounding(point, reg)) or polish == 2:
                break
            polish += 1
        if point.error < 0.5 * best:
            best, best_at = point.error, steps
        elif steps - best_at >= _PATIENCE:
            break
        if float(run.xp.max(run.xp.abs(point.residual) / run.a)) > 0.9:
            # A column that is nearly empty or overfull, however little it weighs, gets a direction so long
            # that the clip would stop all others. Scaling fills it.
            balanced = sinkhorn_iterations(run, run.refreshed(point, reg), reg, tolerance, 3)
            point = balanced if balanced.value >= point.value else run.refreshed(point, reg)
            if point.error <= tolerance or run.exhausted:
                continue
        trial, step = _newton_step(run, point, reg, shift, tolerance)
        steps += 1
        if trial is None:
            if point.error <= tolerance:
                break
            trial = sinkhorn_iterations(run, run.start(point.f, point.g, reg), reg, tolerance, _WARM_UP)
            if not trial.error < point.error:
                break
        point = trial
        if step >= 0.9:
            shift = max(0.3 * shift, 1e-4)
        elif step < 0.3:
            shift = min(4 * shift, 10.0)
    return point, steps, point.error <= tolerance


def _newton_step(run, point, reg, shift, tolerance):
    """Return the point after one step and its length; None where no length improves."""
    xp, a = run.xp, run.a
    error = min(1.0, point.error)
    direction = run.plan.direction(
        point.column_sums + shift * error * a,
        run.b,
        point.residual,
        min(1e-3, 1e-2 * error) * a,
        # Proportional to the error for superlinear convergence, but no closer than the last step needs.
        max(min(1e-2, error), 0.03 * tolerance / point.error),
    )
    middle = 0.5 * (float(xp.max(direction)) + float(xp.min(direction)))
    radius = float(xp.max(xp.abs(direction - middle)))
    run.forget()
    run.n_newton += 1
    if not math.isfinite(radius):
        run.count(point.error)
        return None, 0.0
    step = min(1.0, _CLIP / radius) if radius > 0.0 else 1.0
    direction = reg * (direction - middle)
    slope = float(point.residual @ direction)
    # Near the solution the value is flat to rounding and only the error can tell.
    rounding = run.rounding(point, reg)
    for _ in range(12):
        trial = run.evaluate(point.f + step * direction, point.g, reg)
        gain = trial.value - point.value
        if gain >= 1e-4 * step * slope > 0.0 or (abs(gain) <= rounding and trial.error < point.error):
            break
        step *= 0.3
    else:
        run.count(point.error)
        return None, 0.0
    # Between parts of the plan that exchange nothing the value is linear: there the clip is far too short.
    while step < 1.0 and gain >= 0.8 * step * slope:
        longer = min(1.0, 4.0 * step)
        further = run.evaluate(point.f + longer * direction, trial.g, reg)
        if further.value - point.value < 0.5 * longer * slope:
            trial = run.evaluate(trial.f, trial.g, reg)
            break
        trial, step, gain = further, longer, further.value - point.value
    run.count(trial.error)
    return trial, step


def sparse_newton(run, reg, tolerance, start, *, n_sinkhorn, density):
    """
    Sinkhorn-Newton-Sparse as published: Newton on the full dual with the largest entries of P.

    Parameters
    ----------
    run : Run
        The problem.
    reg, tolerance : float
        Regularisation, and L1 error at which to stop.
    start : tuple of arrays or None
        Potentials to start from.
    n_sinkhorn : int
        Sinkhorn iterations before the first Newton step.
    density : float
        Share of the entries of P that the Hessian keeps.

    Returns
    -------
    Point
        The last point.
    """
    f, g = start or (reg * run.log_a, run.xp.zeros_like(run.b))
    point = run.start(f, g, reg)
    while point.error > tolerance and run.n_iter < n_sinkhorn and not run.exhausted:
        before = run.n_iter
        point = sinkhorn_iterations(run, point, reg, tolerance, n_sinkhorn - run.n_iter)
        if run.n_iter == before:
            break
    xp = run.xp
    rows_residual = xp.zeros_like(run.b)
    best, best_at = point.error, 0
    while point.error > tolerance and not run.exhausted:
        if point.error < 0.9 * best:
            best, best_at = point.error, run.n_newton
        elif run.n_newton - best_at >= 5 * _PATIENCE:
            run.stagnated = True
            break
        direction = _published_direction(run, point, rows_residual, density)
        slope = reg * float(xp.sum(direction[0] * point.residual) + xp.sum(direction[1] * rows_residual))
        step, following = 1.0, None
        for _ in range(30):
            f, g = point.f + step * reg * direction[0], point.g + step * reg * direction[1]
            with np.errstate(over="ignore"):  # steps that overflow are not taken
                column_sums, row_sums = run.plan.fill(f, g, reg)
                total = float(xp.sum(row_sums))
            run.n_evaluations += 1
            if not math.isfinite(total):
                step *= 0.5
                continue
            value = float(f @ run.a) + float(g @ run.b) - reg * total
            residual, rows = run.a - column_sums, run.b - row_sums
            error = float(xp.sum(xp.abs(residual)) + xp.sum(xp.abs(rows)))
            flat = abs(value - point.value) <= run.rounding(point, reg) and error < point.error
            if flat or value >= point.value + 1e-4 * step * slope:
                rows_residual = rows
                following = Point(f, g, column_sums, residual, value, error)
                break
            step *= 0.5
        run.n_newton += 1
        run.count(point.error if following is None else following.error)
        if following is None:
            run.stagnated = True
            break
        point = following
    return run.evaluate(point.f, point.g, reg)


def _published_direction(run, point, rows_residual, density):
    """Return the Newton direction of the full dual, in units of reg, by conjugate gradients."""
    xp, P = run.xp, run.plan.P
    column_sums, row_sums = point.column_sums, run.b - rows_residual
    total = math.prod(P.shape)
    size = max(1, math.ceil(density * total))
    flat = xp.reshape(P, (-1,))
    # The smallest entry that is kept; a full sort is what other libraries have.
    flat = np.partition(flat, total - size) if is_numpy(xp) else xp.sort(flat)
    sparse = xp.where(xp.greater_equal(P, flat[total - size]), P, xp.zeros_like(P))
    if is_numpy(xp):
        from scipy.sparse import csr_array

        sparse = csr_array(sparse)
    n = column_sums.shape[0]
    diagonal = xp.concat([column_sums, row_sums])
    rhs = xp.concat([point.residual, rows_residual])

    def product(x):
        return diagonal * x + xp.concat([sparse.T @ x[n:], sparse @ x[:n]])

    tolerance = min(1e-2, point.error)
    x, _ = conjugate_gradients_with(product, diagonal, rhs, tolerance, max_iter=10 * n, xp=xp)
    return x[:n], x[n:]
