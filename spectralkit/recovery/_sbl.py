"""Sparse Bayesian learning with a Kronecker dictionary and a Kronecker prior."""

import dataclasses
import math
import numbers
from dataclasses import dataclass

import numpy as np

from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import (
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)
from spectralkit._core.dtypes import dtype_of
from spectralkit._core.namespaces import from_host
from spectralkit._core.results import Result
from spectralkit.recovery._arguments import (
    as_array,
    as_factors,
    as_vectors,
    cast,
    check_finite,
    check_noise_var,
    common_dtype,
    double,
    power_of_two,
    real,
)
from spectralkit.recovery._em import Hyperparameters, Rules, expectation_maximisation
from spectralkit.recovery._gaussian import (
    Measurements,
    factorise,
    flat_indices,
    full_length,
    host_floats,
    measurements,
)
from spectralkit.recovery._hyperparameters import coupling_matrix
from spectralkit.recovery._products import squared_modulus
from spectralkit.recovery._search import search

METHODS = ("svd", "am", "ksbl")
# Share of the largest gamma ||h||² of a factor below which the first pass drops atoms; the search admits again
# what the evidence wants.
_PRUNE = 1e-2
# Relative change at which the first pass ends where a search follows: it only has to find a start.
_FIRST_TOL = 1e-2
# Unknown noise: its first share of the mean square and the iterations that it is held for. The first start is
# right on overdetermined problems and collapses to zero coefficients on underdetermined ones, where the others
# hold; none is right everywhere, and the evidence tells.
_NOISE_STARTS = ((0.1, 0), (0.01, 20), (0.1, 20))


@dataclass(frozen=True, repr=False, eq=False)
class KroneckerSBLResult(Result):
    """
    Sparse coefficients and what they were learned with, as `kronecker_sbl` returns it.

    Attributes
    ----------
    coef : array of shape (N,) or (N, L)
        Posterior mean of the coefficients; zero outside of ``support``.
    gammas : list of arrays of shape (n_i,)
        Factors of the prior variances, ``⊗ gamma_i``; zero for atoms that were dropped.
    noise_var : float
        Variance of the noise: as given, or learned.
    support : array of int
        Sorted flat indices, in C order, of the Kronecker product of the kept atoms; on the host.
    coef_var : array of shape (N,)
        Posterior variance of each coefficient, the same for every snapshot.
    neg_log_evidence : float
        ``-log p(Y)`` with all constants, summed over the snapshots, for these gammas and this noise.
    n_iter : int
        EM iterations of the start that was chosen, without those of the search.
    converged : bool
        Whether they ended because the gammas changed by at most ``tol``.
    status : str
        What happened, and what to change.
    """

    coef: object
    gammas: list
    noise_var: float
    support: np.ndarray
    coef_var: object
    neg_log_evidence: float
    n_iter: int
    converged: bool
    status: str


def kronecker_sbl(
    Y,
    dictionaries,
    *,
    method="svd",
    noise_var=None,
    coupling=None,
    prune=None,
    tol=1e-4,
    max_iter=150,
    callback=None,
):
    """
    Recover sparse ``X`` from ``Y = (H_1 ⊗ ... ⊗ H_I) X + noise`` by sparse Bayesian learning.
    """
    check_option("method", method, METHODS)
    tol = check_number("tol", tol, 0.0, open_low=True)
    max_iter = check_integer("max_iter", max_iter, 1)
    report = _counting(reporter(callback))
    Y = as_array("Y", Y)
    factors, xp = as_factors("dictionaries", dictionaries, Y=Y)
    check_finite("Y", Y, xp)
    if noise_var is not None:
        noise_var = check_noise_var(noise_var)
    couplings = _per_factor("coupling", coupling, len(factors))
    thresholds = _per_factor("prune", prune, len(factors), high=1.0)
    sizes = tuple(factor.shape[0] for factor in factors)
    columns = as_vectors("Y", Y, sizes, "the rows of the dictionaries")
    named = {**{f"dictionaries[{i}]": factor for i, factor in enumerate(factors)}, "Y": Y}
    dtype = common_dtype(named, xp)
    working = dtype_of(xp, double(dtype))
    problem = _normalised(
        [xp.astype(factor, working, copy=False) for factor in factors],
        xp.astype(columns, working, copy=False),
        noise_var,
        xp,
    )
    if problem.given is None:
        found = Hyperparameters([], problem.noise_var, change=0.0, converged=True)
    else:
        found = _learn(problem, method, couplings, thresholds, tol, max_iter, report)
    status = _status(found, tol, problem)
    if not (found.converged or found.stopped):
        warn_not_converged(f"kronecker_sbl with method={method!r}", found.change, tol, _remedy(found))
    single = Y.ndim == 1 or Y.shape[0] != columns.shape[0]
    return problem.result(found, single, dtype, status)


@dataclass(frozen=True)
class _Problem:
    """Measurements of mean square one, with dictionaries whose columns have unit norm."""

    given: Measurements | None
    """None where nothing can be learned: no signal, or a factor of zeros."""
    like: object
    """The columns of Y, for their shape, library and device."""
    shape: tuple
    """Numbers of columns of the dictionaries."""
    alive: list
    """Indices of the columns that are not zero, by factor."""
    lengths: list
    """Norms of those columns."""
    unit: float
    """Root mean square of the measurements."""
    noise_var: float | None
    """In units of the mean square; None if it has to be learned."""
    xp: object

    def result(self, found, single, dtype, status):
        """Return the posterior for hyperparameters in normalised units, in those of the input."""
        if self.given is None:
            return self._nothing(found, single, dtype, status)
        xp, given = self.xp, self.given
        kept = found.kept
        gammas = [gamma[indices] for gamma, indices in zip(found.gammas, kept, strict=True)]
        posterior = factorise(given.restricted(kept), gammas)
        mean, variance = posterior.mean(found.noise_var), posterior.variance(found.noise_var)
        lengths = [length[indices] for length, indices in zip(self.lengths, kept, strict=True)]
        places = [alive[indices] for alive, indices in zip(self.alive, kept, strict=True)]
        scale = from_host(self.unit / _outer_on_host(lengths), xp, mean)[:, None]
        coef = full_length(mean * scale, places, self.shape, xp)
        coef_var = full_length(variance[:, None] * scale * scale, places, self.shape, xp)[:, 0]
        full = []
        for n, place, gamma, length in zip(self.shape, places, gammas, lengths, strict=True):
            values = np.zeros(n)
            values[place] = gamma / length**2
            full.append(values)
        full[-1] *= self.unit**2
        evidence = posterior.neg_log_evidence(found.noise_var) + given.log_jacobian(self.unit)
        return KroneckerSBLResult(
            coef=cast(coef[:, 0] if single else coef, dtype, xp),
            gammas=[cast(from_host(values, xp, mean), real(dtype), xp) for values in full],
            noise_var=found.noise_var * self.unit**2,
            support=flat_indices(places, self.shape),
            coef_var=cast(coef_var, real(dtype), xp),
            neg_log_evidence=evidence,
            n_iter=found.n_iter,
            converged=found.converged,
            status=status,
        )

    def _nothing(self, found, single, dtype, status):
        """Return coefficients of zero: the measurements are noise."""
        xp, size = self.xp, math.prod(self.shape)
        count, noise_var = math.prod(self.like.shape), found.noise_var
        weight = 1.0 if dtype.startswith("complex") else 0.5
        evidence = -math.inf  # of measurements without noise, that are zero, at exactly zero
        if noise_var > 0.0:
            evidence = weight * count * (math.log(math.pi / weight * noise_var) + self.unit**2 / noise_var)
        zeros = xp.zeros_like(self.like[:1, :]) + xp.zeros((size, 1))
        return KroneckerSBLResult(
            coef=cast(zeros[:, 0] if single else zeros, dtype, xp),
            gammas=[cast(from_host(np.zeros(n), xp, self.like), real(dtype), xp) for n in self.shape],
            noise_var=noise_var,
            support=np.zeros(0, dtype=np.intp),
            coef_var=cast(from_host(np.zeros(size), xp, self.like), real(dtype), xp),
            neg_log_evidence=evidence,
            n_iter=0,
            converged=True,
            status=status,
        )


def _normalised(factors, columns, noise_var, xp):
    """Return the `_Problem` of matrices and measurements in double precision."""
    unit = power_of_two(columns, xp)
    columns = columns / unit
    mean_square = float(xp.mean(squared_modulus(columns, xp)))
    unit *= math.sqrt(mean_square)
    alive, lengths, normalised = [], [], []
    for factor in factors:
        power = power_of_two(factor, xp)
        length = np.sqrt(host_floats(xp.sum(squared_modulus(factor / power, xp), axis=0)))
        places = np.flatnonzero(length)
        matrix = xp.take(factor / power, from_host(places, xp, factor), axis=1)
        normalised.append(matrix / from_host(length[places], xp, factor))
        alive.append(places)
        lengths.append(length[places] * power)
    shape = tuple(factor.shape[1] for factor in factors)
    if unit == 0.0 or not all(map(len, alive)):
        known = unit**2 if noise_var is None else noise_var
        return _Problem(None, columns, shape, alive, lengths, unit, known, xp)
    relative = noise_var if noise_var is None else noise_var / unit**2
    if relative is not None and not 0.0 < relative < math.inf:
        constraint = f"within 1e±300 of the mean square of the measurements, of size {unit:.1e}"
        raise ValueError(invalid("noise_var", constraint, noise_var))
    given = measurements(normalised, columns / math.sqrt(mean_square), xp)
    return _Problem(given, columns, shape, alive, lengths, unit, relative, xp)


def _learn(problem, method, couplings, thresholds, tol, max_iter, report):
    """Return the `Hyperparameters` of the best start, and of the search from there."""
    given, shape = problem.given, problem.given.shape
    matrices = None
    if couplings is not None and any(couplings):
        if method == "svd":
            remedy = "Use method='am', or 'ksbl' for a single sweep."
            raise ValueError(invalid("coupling", "None or zeros with method='svd'", couplings, remedy))
        matrices = [
            coupling_matrix(beta, n, alive)
            for beta, n, alive in zip(couplings, problem.shape, problem.alive, strict=True)
        ]
    searching = thresholds is None and matrices is None
    rules = Rules(
        method,
        matrices,
        [_PRUNE] * len(shape) if thresholds is None else thresholds,
        # A threshold that is given compares gammas as they come back, the default what they contribute.
        [np.ones(n) if thresholds is None else length**-2.0 for n, length in zip(shape, problem.lengths, strict=True)],
        problem.noise_var is None,
        max(tol, _FIRST_TOL) if searching else tol,
        max_iter,
    )
    # Equal shares, that predict the energy that is seen: free of units, and EM starts neither from noise alone
    # nor from measurements without noise.
    gammas = [np.full(n, n**-0.5) for n in shape]
    level = given.n_measurements / math.prod(shape)
    gammas[-1] = np.full(shape[-1], level * math.prod(n**0.5 for n in shape[:-1]))
    starts = [(problem.noise_var, 0)] if problem.noise_var is not None else _NOISE_STARTS
    best, lowest = None, math.inf
    for noise_var, hold in starts:
        start = Hyperparameters(gammas, noise_var)
        found = expectation_maximisation(given, start, rules, hold=hold, report=report)
        figure = found.neg_log_evidence(given)
        if best is None or figure < lowest:
            best, lowest = found, figure
        if found.stopped:
            return dataclasses.replace(best, stopped=True)
    if searching:
        best = search(given, best, dataclasses.replace(rules, tol=tol))
    return best


def _status(found, tol, problem):
    """Return what happened, in a sentence."""
    if problem.given is None:
        what = "the measurements are zero" if problem.unit == 0.0 else "a dictionary has zeros only"
        return f"No coefficient can be learned, since {what}: all are zero."
    if found.stopped:
        return f"Stopped by the callback after {found.n_iter} iterations."
    figures = f"the gammas changed by {found.change:.1e} in iteration {found.n_iter} (tol={tol:.1e})"
    if found.converged:
        return f"Converged: {figures}."
    return f"Not converged: {figures}. {_remedy(found)}"


def _remedy(found):
    return f"Raise max_iter above {found.n_iter}, or tol."


def _per_factor(name, values, count, high=math.inf):
    """Return one non-negative number for each factor, or None for None."""
    if values is None:
        return None
    if isinstance(values, numbers.Real):
        values = [values] * count
    values = list(values)
    if len(values) != count:
        constraint = f"a number or {count} of them, one for each dictionary"
        raise ValueError(invalid(name, constraint, values))
    return [
        check_number(f"{name}[{i}]", _as_python(value), 0.0, high, open_high=high < math.inf)
        for i, value in enumerate(values)
    ]


def _as_python(value):
    return value.item() if hasattr(value, "item") else value


def _counting(report):
    """Number the iterations of several runs of EM as one sequence."""
    count = 0

    def numbered(_, figure):
        nonlocal count
        count += 1
        return report(count, figure)

    return numbered


def _outer_on_host(vectors):
    product = np.ones(1)
    for vector in vectors:
        product = np.kron(product, vector)
    return product
