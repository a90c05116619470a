"""Exact optimal transport, by POT's network simplex."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.namespaces import is_numpy, library_name
from spectralkit._core.results import Result
from spectralkit.transport._costs import extremes
from spectralkit.transport._problem import check_cost_range, make_problem


@dataclass(frozen=True, repr=False, eq=False)
class ExactTransportResult(Result):
    """
    An optimal plan of a transport problem, and the potentials that prove it.

    Attributes
    ----------
    plan : array of shape (n, m)
        Optimal plan, with at most ``n + m - 1`` positive entries.
    cost : float
        Its cost, ``sum(plan * C)``.
    f : array of shape (n,)
        Source potential: ``f[i] + g[j] <= C[i, j]``, with equality where mass moves.
    g : array of shape (m,)
        Target potential, shifted so that ``a @ f == b @ g``.
    """

    plan: Any
    cost: float
    f: Any
    g: Any


def exact_transport(a, b, C, *, max_iter=10_000_000):
    """
    Solve optimal transport exactly, as a linear program.

    The reference for small regularisations, and the better tool where no gradient and no smooth plan is
    wanted: POT's network simplex behind the checks of this library. Costs about O(n^3) in practice, and
    O(n m) memory.

    Parameters
    ----------
    a : array of shape (n,) or None
        Source weights, non-negative; None for uniform.
    b : array of shape (m,) or None
        Target weights, of the same total mass as ``a``.
    C : array of shape (n, m)
        Cost, finite and non-negative.
    max_iter : int, default=10_000_000
        Pivots at the most.

    Returns
    -------
    ExactTransportResult
        Fields ``plan``, ``cost``, ``f`` and ``g``.

    Raises
    ------
    ValueError
        If shapes do not match, weights or costs are negative, NaN or infinite, or the total masses differ or
        are zero.
    TypeError
        If arrays are complex, or not NumPy's.
    numpy.linalg.LinAlgError
        If the simplex ends without an optimum, as after ``max_iter`` pivots.

    See Also
    --------
    sinkhorn : The regularised problem: smooth, with gradients, and faster on large problems.

    Notes
    -----
    Minimises ``sum(P * C)`` over ``P >= 0`` with ``P 1 = a`` and ``P' 1 = b``.

    References
    ----------
    .. [1] N. Bonneel, M. van de Panne, S. Paris and W. Heidrich, "Displacement interpolation using Lagrangian
       mass transport", ACM Transactions on Graphics 30, 2011.
    .. [2] R. Flamary et al., "POT: Python Optimal Transport", Journal of Machine Learning Research 22, 2021.

    Examples
    --------
    >>> from spectralkit.transport import exact_transport
    >>> exact_transport(None, None, [[0.0, 1.0], [1.0, 0.0]]).cost
    0.0
    """
    max_iter = check_integer("max_iter", max_iter, 1)
    problem = make_problem(a, b, C, None, None, "sqeuclidean", False)
    if not is_numpy(problem.xp):
        library = library_name(problem.xp)
        remedy = "The simplex runs on the host: convert them explicitly first."
        raise TypeError(invalid("a, b and C", "NumPy arrays", f"arrays of {library}", remedy))
    low, high = extremes(problem.full_cost, problem.xp)
    check_cost_range(low, high)
    # The simplex compares with absolute tolerances: costs of the order 1, by a power of two, are exact.
    scale = math.ldexp(1.0, math.frexp(high)[1]) if high > 0.0 else 1.0
    cost = problem.full_cost.rows(0, problem.full_cost.shape[0]) / scale
    a, b = (np.zeros(size) for size in cost.shape)
    a[slice(None) if problem.rows is None else problem.rows] = problem.a
    b[slice(None) if problem.columns is None else problem.columns] = problem.b
    import ot  # its import probes every array library that is installed, so it is not done at ours

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what goes wrong is said by the error below
        # POT insists on sums that agree to the last digits; what make_problem forgives goes to b.
        plan, log = ot.emd(a, b * (a.sum() / b.sum()), cost, numItermax=max_iter, log=True)
    if log["warning"] is not None:
        raise np.linalg.LinAlgError(
            f"the network simplex found no optimum: {log['warning']} Causes: (a) it needs more than "
            f"max_iter={max_iter} pivots; (b) weights or costs span too many orders of magnitude for float64."
        )
    mass, shift = problem.mass, 0.5 * (float(log["v"] @ b) - float(log["u"] @ a))
    return ExactTransportResult(
        plan=(mass * plan).astype(problem.dtype, copy=False),
        cost=mass * scale * float(np.vdot(plan, cost)),
        f=(scale * (log["u"] + shift)).astype(problem.dtype, copy=False),
        g=(scale * (log["v"] - shift)).astype(problem.dtype, copy=False),
    )
