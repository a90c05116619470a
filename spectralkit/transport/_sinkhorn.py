"""Entropic optimal transport."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import (
    check_flag,
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)
from spectralkit._core.dtypes import eps
from spectralkit._core.namespaces import array_namespace, is_numpy
from spectralkit._core.results import Result
from spectralkit.transport._arguments import as_array
from spectralkit.transport._costs import MatrixCost, ShiftedCost, extremes
from spectralkit.transport._plan import ArrayPlan, HostPlan, host_plan
from spectralkit.transport._problem import (
    cast,
    check_cost_range,
    embed,
    make_problem,
    restrict_potential,
)
from spectralkit.transport._solvers import Run, log_sinkhorn, newton, sparse_newton

METHODS = ("newton", "sns", "sinkhorn")
# Its inverse and its products with logarithms stay in the range of float64.
_REG_RANGE = (1e-300, 1e300)
_MAX_ITER = {"newton": 1_000, "sns": 1_000, "sinkhorn": 10_000}


@dataclass(frozen=True, repr=False, eq=False)
class SinkhornResult(Result):
    """
    Potentials of an entropic transport problem, and the plan that they define.

    ``plan`` and the gradients are computed at first use, from the cost that was passed: it is not copied, so
    change it only after that. Gradients are those of ``value``: moving mass along
    ``da`` with sum zero changes it by ``gradient_a @ da``.

    Attributes
    ----------
    f : array of shape (n,)
        Source potential; minus infinity where the weight is zero.
    g : array of shape (m,)
        Target potential, shifted so that ``a @ f == b @ g`` over positive weights.
    cost : float
        Cost of the plan, ``sum(plan * C)``.
    value : float
        Regularised dual value ``a @ f + b @ g - reg * sum(plan)``, at convergence the primal one too.
    marginal_error : float
        L1 distances of both marginals of the plan from ``a`` and ``b``, summed, before any cast to float32.
    n_newton : int
        Newton steps.
    n_iter : int
        Iterations in all: Sinkhorn's and Newton's.
    n_evaluations : int
        Times that all n m exponentials were computed.
    converged : bool
        Whether ``marginal_error`` is at most ``tol`` times the total mass, plus twice what the masses of
        ``a`` and ``b`` differ by (which is forgiven up to 1e-8 of them, in float64).
    status : str
        What happened, and what to change.
    reg : float
        Regularisation of the problem.
    """

    f: Any
    g: Any
    cost: float
    value: float
    marginal_error: float
    n_newton: int
    n_iter: int
    n_evaluations: int
    converged: bool
    status: str
    reg: float
    # What ``plan`` is computed from; not among the fields that users see.
    _cost: Any = field(init=False)
    _potentials: Any = field(init=False)

    @cached_property
    def plan(self):
        """
        Compute the transport plan ``exp((f + g - C) / reg)``.

        Returns
        -------
        array of shape (n, m)
            Mass moved from each source to each target; exact zeros where a weight is zero.
        """
        xp, (f, g) = array_namespace(f=self.f), self._potentials
        if is_numpy(xp):
            return host_plan(self._cost, f, g, self.reg).astype(self.f.dtype, copy=False)
        return xp.astype(xp.exp(((f[:, None] - self._cost) + g[None, :]) / self.reg), self.f.dtype)

    @cached_property
    def gradient_a(self):
        """
        Compute the gradient of ``value`` by the source weights, centred.

        Returns
        -------
        array of shape (n,)
            ``f`` minus its mean over the points of positive weight: only changes of sum zero keep the problem
            valid, so the constant is arbitrary.
        """
        return _centred(self.f)

    @cached_property
    def gradient_b(self):
        """
        Compute the gradient of ``value`` by the target weights, centred.

        Returns
        -------
        array of shape (m,)
            ``g`` minus its mean over the points of positive weight.
        """
        return _centred(self.g)

    @property
    def gradient_C(self):  # noqa: N802
        """
        Compute the gradient of ``value`` by the cost, which is the plan.

        Returns
        -------
        array of shape (n, m)
            ``plan``.
        """
        return self.plan


def _centred(potential):
    xp = array_namespace(potential=potential)
    finite = xp.isfinite(potential)
    total = xp.sum(xp.where(finite, potential, xp.zeros_like(potential)))
    return potential - total / xp.sum(xp.astype(finite, potential.dtype))


def sinkhorn(
    a,
    b,
    C,
    reg,
    *,
    method="newton",
    tol=1e-9,
    max_iter=None,
    init=None,
    callback=None,
    X=None,
    Y=None,
    metric="sqeuclidean",
    low_memory=False,
    n_sinkhorn=20,
    density=None,
):
    """
    Solve entropic optimal transport between two weighted sets of points.

    Gives the plan that minimises ``sum(P * C) + reg * sum(P * (log(P) - 1))`` among those with marginals
    ``a`` and ``b``, and meets both to ``tol`` down to small ``reg``. Use it for potentials, gradients and
    smooth plans; where only the cost of the unregularised problem is wanted, `exact_transport` is the tool.
    "newton" costs O(n m) for each of about ten to fifty evaluations; it keeps one work array of n m doubles,
    and a copy of the cost where its layout or dtype asks for one.

    Parameters
    ----------
    a : array of shape (n,) or None
        Source weights, non-negative; None for uniform. Zeros are allowed and give exact zero rows.
    b : array of shape (m,) or None
        Target weights, of the same total mass as ``a``.
    C : array of shape (n, m) or None
        Cost, finite and non-negative; None to compute it from ``X`` and ``Y``.
    reg : float
        Regularisation, positive, in the units of the cost: pairs whose reduced cost exceeds the least by many
        times ``reg`` exchange next to nothing.
    method : str, default="newton"
        "newton" (semi-dual sparse Newton along a path of decreasing regularisation), "sinkhorn" (Sinkhorn's
        algorithm, stabilised), or "sns" (Sinkhorn-Newton-Sparse as published, for reference: it has no
        global convergence).
    tol : float, default=1e-9
        L1 error of both marginals together at which to stop, relative to the total mass.
    max_iter : int or None, default=None
        Iterations at the most, Sinkhorn's and Newton's counted together; None for 10 000 of "sinkhorn" and
        1 000 otherwise.
    init : tuple of arrays (n,) and (m,) or None, default=None
        Potentials ``(f, g)`` to start from, as from the result of a similar problem. Such as no solution of
        this problem can be near, by their range, are ignored.
    callback : callable or None, default=None
        Called with an ``IterationInfo`` after each iteration, its figure the L1 error at the regularisation
        of the moment; stops when it returns True.
    X : array of shape (n, d) or None, default=None
        Source points, in place of ``C``.
    Y : array of shape (m, d) or None, default=None
        Target points.
    metric : str or callable, default="sqeuclidean"
        Cost of two points: "sqeuclidean", "euclidean", "cityblock", or ``metric(X, Y) -> (n, m)``.
    low_memory : bool, default=False
        Whether to keep one work array only: the cost is then converted, or computed from the points, anew in
        every sweep, some rows at a time (a callable metric sees some rows of one cloud only). For NumPy
        arrays; others always hold the cost.
    n_sinkhorn : int, default=20
        Sinkhorn iterations before the first Newton step of "sns".
    density : float or None, default=None
        Share of the entries of the plan that "sns" keeps in the Hessian; None for ``2 / min(n, m)``.

    Returns
    -------
    SinkhornResult
        Fields ``f``, ``g``, ``cost``, ``value``, ``marginal_error``, ``n_newton``, ``n_iter``,
        ``n_evaluations``, ``converged``, ``status`` and ``reg``; ``plan``, ``gradient_a``, ``gradient_b`` and
        ``gradient_C`` at first use. Arrays have the dtype and the library of the input; float32 is solved in
        float64.

    Raises
    ------
    ValueError
        If shapes do not match, weights or costs are negative, NaN or infinite, the total masses differ or are
        zero, or ``reg`` is not positive or too small for float64 to resolve.
    TypeError
        If arrays are complex, of an unsupported dtype, or of different libraries.

    Warns
    -----
    ConvergenceWarning
        If the marginals are not met to ``tol``, with the error reached.

    See Also
    --------
    exact_transport : The limit ``reg = 0``, by linear programming.
    sinkhorn_divergence : A distance of clouds without the entropic bias.
    EntropicTransport : The plan as a map between clouds, an estimator.

    Notes
    -----
    With ``P = exp((f + g - C) / reg)`` the dual value ``F = a·f + b·g - reg sum(P)`` is concave. "newton"
    eliminates the potential of the longer side exactly, so that its marginal holds to rounding, and solves

    ``(diag(P1) - P' diag(1/b) P + shift) d = a - P1``

    on the entries of P above a threshold that follows the error, with full row sums on the diagonal, by
    conjugate gradients, or by Cholesky where that is the cheaper. Steps are clipped and pass Armijo's test on
    F. The regularisation falls from an eighth of the range of C by factors of four or two, and the potentials
    are extrapolated linearly in it, which is what they tend to as it vanishes. Stops when the L1 error of the
    marginals is at most ``tol`` and the duality gap at most ``tol / 100`` of the range of C; gives up when
    ten steps do not halve the error at a regularisation next to the last one that was solved.

    Weights of less than 1e-200 of the total count as zero. Where a weight is zero the potential is minus
    infinity, so that ``plan == exp((f + g - C) / reg)`` holds everywhere. By the envelope theorem the
    gradients of ``value`` in a, b and C are ``f``, ``g`` and ``plan``; f and g up to a constant.

    References
    ----------
    .. [1] X. Tang, M. Shavlovsky, H. Rahmanian, E. Tardini, K. K. Thekumparampil, T. Xiao and L. Ying,
       "Accelerating Sinkhorn Algorithm with Sparse Newton Iterations", ICLR 2024, arXiv:2401.12253.
    .. [2] Z. Tang and Y. Qiu, "Safe and Sparse Newton Method for Entropic-Regularized Optimal Transport",
       NeurIPS 2024.
    .. [3] B. Schmitzer, "Stabilized Sparse Scaling Algorithms for Entropy Regularized Transport Problems",
       SIAM Journal on Scientific Computing 41, 2019, arXiv:1610.06519.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import sinkhorn
    >>> C = np.random.default_rng(0).random((40, 50))
    >>> result = sinkhorn(None, None, C, reg=1e-3)
    >>> result.converged, result.plan.shape
    (True, (40, 50))
    >>> bool(abs(result.plan.sum(axis=1) - 1 / 40).sum() < 1e-9)
    True
    """
    check_option("method", method, METHODS)
    reg = check_number("reg", reg, *_REG_RANGE, remedy="reg is in the units of the cost.")
    tol = check_number("tol", tol, 0.0, open_low=True)
    max_iter = _MAX_ITER[method] if max_iter is None else check_integer("max_iter", max_iter, 1)
    low_memory = check_flag("low_memory", low_memory)
    n_sinkhorn = check_integer("n_sinkhorn", n_sinkhorn, 0)
    problem = make_problem(a, b, C, X, Y, metric, low_memory)
    xp, shape = problem.xp, problem.full_cost.shape
    if density is not None:
        density = check_number("density", density, 0.0, 1.0, open_low=True)
    init = _check_init(init, problem)
    low, high = extremes(problem.full_cost, xp)
    check_cost_range(low, high)
    spread = high - low
    if reg < 8 * eps("float64") * spread:
        remedy = f"A range of {spread:.3g} leaves float64 nothing to resolve it with: use exact_transport."
        raise ValueError(invalid("reg", "a larger share of the range of the cost", reg, remedy))
    offset = low if low > spread else 0.0
    if offset:
        problem = _shifted(problem, offset)
    plan, f_weights, g_weights, columns_first = _make_plan(problem, low_memory)
    run = Run(plan, f_weights, g_weights, xp, max_iter=max_iter, report=reporter(callback))
    start = _usable(init, problem, spread, reg)
    start = start if start is None or columns_first else start[::-1]
    # The margin is for the rounding of the potentials; what the two totals differ by, no plan can make good.
    target = 0.9 * tol + problem.mismatch
    if method == "newton":
        point = newton(run, reg, spread, target, start)
    elif method == "sns":
        density = min(1.0, 2 / min(shape)) if density is None else density
        point = sparse_newton(run, reg, target, start, n_sinkhorn=n_sinkhorn, density=density)
    else:
        point = log_sinkhorn(run, reg, target, start)
    point = run.refreshed(point, reg)
    mass = problem.mass
    f, g = (point.f, point.g) if columns_first else (point.g, point.f)
    # The solvers work with unit mass. Half of the shift goes to each side, then a·f = b·g.
    level = 0.5 * (float(f @ problem.a) + float(g @ problem.b) + reg * math.log(mass))
    f = f + (level - float(f @ problem.a))
    g = g + (level - float(g @ problem.b))
    column_sums, row_sums = point.column_sums, xp.sum(plan.P, axis=1)
    largest = float(xp.max(xp.abs(f))) + float(xp.max(xp.abs(g))) + spread
    if eps("float64") * largest / reg > 0.01 * tol:
        # What rounding the potentials to their final values costs the plan is part of the error.
        unit = 0.5 * reg * math.log(mass)
        sides = (f - unit, g - unit) if columns_first else (g - unit, f - unit)
        column_sums, row_sums = plan.fill(*sides, reg)
    gaps = (xp.sum(xp.abs(column_sums - f_weights)), xp.sum(xp.abs(row_sums - g_weights)))
    error = sum(map(float, gaps)) + problem.mismatch
    converged = error <= tol + 2.0 * problem.mismatch
    f, g = embed(f, problem.rows, shape[0], xp), embed(g, problem.columns, shape[1], xp)
    result = SinkhornResult(
        f=cast(f + 0.5 * offset, problem.dtype, xp),
        g=cast(g + 0.5 * offset, problem.dtype, xp),
        cost=mass * (plan.mean_cost() + offset),
        value=mass * (2.0 * level - reg + offset),
        marginal_error=mass * error,
        n_newton=run.n_newton,
        n_iter=run.n_iter,
        n_evaluations=run.n_evaluations,
        converged=converged,
        status=_status(run, method, converged, error, tol, reg, spread, problem.dtype),
        reg=reg,
    )
    object.__setattr__(result, "_cost", problem.full_cost)
    object.__setattr__(result, "_potentials", (f, g))
    if not converged and not run.stopped:
        warn_not_converged(f"sinkhorn(method={method!r})", mass * error, mass * tol, result.status)
    return result


def _shifted(problem, offset):
    """Return the problem with a constant less at every cost."""
    if not is_numpy(problem.xp):
        return replace(problem, cost=problem.cost - offset, full_cost=problem.full_cost - offset)
    return replace(
        problem,
        cost=ShiftedCost(problem.cost, offset),
        full_cost=ShiftedCost(problem.full_cost, offset),
    )


def _usable(init, problem, spread, reg):
    """Return starting potentials about zero; None for such as no solution is near: they would do harm."""
    if init is None:
        return None
    xp, centred = problem.xp, []
    for potential, weights in zip(init, (problem.a, problem.b), strict=True):
        # Optimal potentials of two points differ by no more than costs, and logarithms of weights times reg.
        logarithms = xp.log(weights)
        bound = spread + reg * (float(xp.max(logarithms)) - float(xp.min(logarithms)))
        low, high = float(xp.min(potential)), float(xp.max(potential))
        if not high - low <= 2.0 * bound + 100.0 * reg:
            return None
        centred.append(potential - 0.5 * (low + high))
    return tuple(centred)


def _make_plan(problem, low_memory):
    """Return the plan to solve for, the weights of its columns and rows, and whether the columns are ``a``.

    Newton works on as many unknowns as the plan has columns: the shorter side, and of equal ones that which
    needs no copy of the cost.
    """
    n, m = problem.a.shape[0], problem.b.shape[0]
    transposed = isinstance(problem.cost, MatrixCost) and problem.cost.matrix.flags.f_contiguous
    columns_first = n < m or (n == m and transposed)
    cost = _transposed(problem.cost) if columns_first else problem.cost
    weights = (problem.a, problem.b) if columns_first else (problem.b, problem.a)
    if not is_numpy(problem.xp):
        return ArrayPlan(cost, *weights, problem.xp), *weights, columns_first
    if not low_memory:
        cost = MatrixCost(cost.rows(0, cost.shape[0]))
    return HostPlan(cost, *weights), *weights, columns_first


def _transposed(cost):
    return cost.transposed() if hasattr(cost, "transposed") else cost.T


def _check_init(init, problem):
    """Return starting potentials for the points of positive weight, in float64."""
    if init is None:
        return None
    if not isinstance(init, tuple | list) or len(init) != 2:
        found = f"{len(init)} items" if hasattr(init, "__len__") else f"type {type(init).__name__}"
        raise ValueError(invalid("init", "a pair of potentials (f, g)", found))
    xp, restricted = problem.xp, []
    pairs = zip("fg", init, problem.full_cost.shape, (problem.rows, problem.columns), strict=True)
    for name, potential, size, indices in pairs:
        potential = as_array(f"init's {name}", potential)
        if array_namespace(**{f"init's {name}": potential, "the cost": problem.a}) is not xp:
            raise TypeError(invalid(f"init's {name}", "of the library of the cost", "another"))
        if tuple(potential.shape) != (size,):
            raise ValueError(
                invalid(f"init's {name}", f"of shape ({size},)", f"shape {tuple(potential.shape)}")
            )
        potential = restrict_potential(xp.astype(potential, xp.float64), indices, xp)
        if not bool(xp.all(xp.isfinite(potential))):
            remedy = "Only points of zero weight have an infinite potential."
            raise ValueError(invalid(f"init's {name}", "finite", "NaN or infinity", remedy))
        restricted.append(potential)
    return tuple(restricted)


def _status(run, method, converged, error, tol, reg, spread, dtype):
    """Say in a sentence or two how the run ended, and what to change."""
    figures = f"L1 error of the marginals {error:.2g}, tol {tol:.2g}"
    if converged:
        status = f"Converged: {figures}."
        if dtype != "float64":
            # What the potentials lose in a narrower dtype, the plan loses multiplied by their size over reg.
            loss = eps(dtype) * spread / reg
            if loss > tol:
                status += f" Rounded to {dtype}, f and g reproduce the plan to about {loss:.1g} only."
        return status
    if run.stopped:
        return f"Stopped by the callback: {figures}."
    if run.stagnated or run.n_iter < run.max_iter:
        resolved = eps("float64") * spread / reg
        limit = f" (float64 resolves {resolved:.1g} at this reg)" if resolved > 0.01 * tol else ""
        remedy = "Raise reg or tol" if method == "newton" else "Use method='newton', or raise reg"
        return f"No further progress: {figures}{limit}. {remedy}."
    remedy = "" if method == "newton" else ", or use method='newton'"
    return f"max_iter={run.max_iter} iterations did not suffice: {figures}. Raise max_iter or reg{remedy}."


def sinkhorn_divergence(
    X, Y, a=None, b=None, *, reg, metric="sqeuclidean", method="newton", tol=1e-9, max_iter=None
):
    """
    Compute the Sinkhorn divergence of two weighted clouds.

    ``S(X, Y) = V(X, Y) - (V(X, X) + V(Y, Y)) / 2`` for the entropic value V: unlike V it vanishes for equal
    clouds, and it is non-negative for the metrics with names. Costs three solutions of O(n m), O(n^2) and
    O(m^2) for each evaluation.

    Parameters
    ----------
    X : array of shape (n, d)
        First cloud.
    Y : array of shape (m, d)
        Second cloud.
    a : array of shape (n,) or None, default=None
        Weights of ``X``; None for uniform.
    b : array of shape (m,) or None, default=None
        Weights of ``Y``, of the same total mass.
    reg : float
        Regularisation, in the units of the cost.
    metric : str or callable, default="sqeuclidean"
        Cost of two points, as in `sinkhorn`.
    method : str, default="newton"
        As in `sinkhorn`.
    tol : float, default=1e-9
        As in `sinkhorn`.
    max_iter : int or None, default=None
        As in `sinkhorn`.

    Returns
    -------
    float
        The divergence, in the units of the cost times the mass.

    Raises
    ------
    ValueError
        As in `sinkhorn`.
    TypeError
        As in `sinkhorn`.

    Warns
    -----
    ConvergenceWarning
        If one of the three problems does not converge.

    See Also
    --------
    sinkhorn : The plan and its potentials.

    References
    ----------
    .. [1] J. Feydy, T. Séjourné, F.-X. Vialard, S. Amari, A. Trouvé and G. Peyré, "Interpolating between
       Optimal Transport and MMD using Sinkhorn Divergences", AISTATS 2019, arXiv:1810.08278.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.transport import sinkhorn_divergence
    >>> X = np.random.default_rng(0).standard_normal((60, 2))
    >>> sinkhorn_divergence(X, X, reg=0.1)
    0.0
    >>> round(sinkhorn_divergence(X, X + [3.0, 0.0], reg=0.1), 6)  # the squared length of the shift
    9.0
    """
    if X is None or Y is None:
        raise ValueError(invalid("X" if X is None else "Y", "a cloud of shape (n, d)", None))
    options = {"method": method, "tol": tol, "max_iter": max_iter, "metric": metric}
    both = sinkhorn(a, b, None, reg, X=X, Y=Y, **options).value
    within_X = sinkhorn(a, a, None, reg, X=X, Y=X, **options).value
    within_Y = sinkhorn(b, b, None, reg, X=Y, Y=Y, **options).value
    return both - 0.5 * (within_X + within_Y)
