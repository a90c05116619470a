"""Sparse Bayesian learning with a Kronecker dictionary and a Kronecker prior."""

import dataclasses
import math
import numbers
from dataclasses import dataclass

import numpy as np

from spectralkit._core.arrays import power_of_two
from spectralkit._core.callbacks import reporter
from spectralkit._core.checks import (
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)
from spectralkit._core.namespaces import from_host
from spectralkit._core.results import Result
from spectralkit.recovery._arguments import (
    as_problem,
    cast,
    check_noise_var,
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
from spectralkit.recovery._products import outer, squared_modulus
from spectralkit.recovery._search import search

METHODS = ("svd", "am", "ksbl")
# Share of the largest gamma of a factor below which the first pass drops atoms; the search admits again what
# the evidence wants. With a coupling there is no search: the paper's shares, of coupled factors and others.
_PRUNE, _PRUNE_COUPLED = 1e-2, (1e-2, 1e-1)
# Successive singular vectors give atoms whose values are no products too small a share.
_PRUNE_SVD = 1e-3
# Energy of the measurements that the first gammas predict, over the true one. The SVD step does not depend on
# it much. Alternating minimisation does: each start fails on problems that the other solves.
_LEVELS = {"svd": (1.0,), "am": (1.0, 1e-3), "ksbl": (1.0, 1e-3)}
# Relative change at which the first pass ends where a search follows: it only has to find a start.
_FIRST_TOL = 1e-2
# Unknown noise: its first share of the mean square and the iterations that it is held for. The first start
# is right on overdetermined problems and collapses to zero coefficients on underdetermined ones, where the
# others hold; none is right everywhere, and the evidence tells.
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
        Factors of the prior variances, ``⊗ gamma_i``, of equal norms; zero for atoms that were dropped.
    noise_var : float
        Variance of the noise: as given, or learned.
    support : array of int
        Sorted flat indices, in C order, of the Kronecker product of the kept atoms.
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
    support: object
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
    Recover sparse coefficients through a Kronecker dictionary, by sparse Bayesian learning.

    The model is ``Y = (H_1 ⊗ ... ⊗ H_I) X + noise``. Use it where few atoms of each factor are active, so
    that the support of the coefficients is a Kronecker product too: channels of a few angles and delays,
    images of a few separable patterns. With one matrix it is classical sparse Bayesian learning. The
    Kronecker product is never formed: an iteration costs `O(Σ n_i^3 + N max(n_i) I L)` for the atoms that are
    left, few after some iterations, and memory is about ten arrays of `N` doubles. No tuning is needed:
    noise, scale and support are all learned.

    Parameters
    ----------
    Y : array of shape (M,), (M, L) or (m_1, .., m_I)
        Measurements, real or complex: one snapshot, `L` of them in columns with a common support, or one as a
        tensor in C order.
    dictionaries : sequence of arrays of shape (m_i, n_i), or one such array
        The factors ``H_i``; `M` and `N` are the products of the `m_i` and of the `n_i`. Columns of zeros get
        coefficients of zero.
    method : str, default="svd"
        How the variances are factored in each iteration: "svd", by successive singular vectors, takes the
        fewest iterations; "am", by alternating minimisation, never lowers the evidence of a known noise, and
        is the one for ``coupling``; "ksbl" is "am" with a single sweep. The search that follows by default
        uses "am", so that they differ in where it starts.
    noise_var : float or None, default=None
        Variance of the noise in each measurement (for complex ones the expected squared modulus); None to
        learn it, from three starts of which the evidence chooses.
    coupling : float, sequence of floats or None, default=None
        Neighbour coupling for block sparsity, one non-negative number for each factor: variances are
        ``gamma_j + coupling * (gamma_{j-1} + gamma_{j+1})``. Not with "svd".
    prune : float, sequence of floats or None, default=None
        Atoms of a factor whose gamma is below this share of the largest are dropped for good; 0 keeps all.
        None chooses atoms by their evidence instead, where there is no coupling: see Notes.
    tol : float, default=1e-4
        Relative change of the product of the gammas at which to stop.
    max_iter : int, default=150
        EM iterations at the most, for each start.
    callback : callable, optional
        Called with an `IterationInfo` after each iteration, where the figure is the change that ``tol``
        bounds. Returning True stops.

    Returns
    -------
    KroneckerSBLResult
        Coefficients, their variances, the gammas, the noise, the support and the evidence.

    Raises
    ------
    ValueError
        If shapes do not match, something is not finite, or a number is out of range.
    TypeError
        If the arrays are of different libraries, or of a dtype that is not supported.

    Warns
    -----
    ConvergenceWarning
        If the change is above ``tol`` after ``max_iter`` iterations.

    See Also
    --------
    kronecker_posterior : The posterior for given gammas and noise.
    kronecker_omp : A greedy method, for a known number of atoms.
    KroneckerSBL : The same as a scikit-learn regressor.

    Notes
    -----
    The prior is ``X ~ N(0, diag(⊗ gamma_i))``, and EM raises ``p(Y | gammas, noise_var)`` [1]_. The noise is
    updated to ``E |Y - H X|² / M``. Measurements are scaled to mean square one and dictionaries to columns of
    mean square norm one first (a single matrix: each column to norm one), so that no unit matters, and EM
    starts from equal gammas that predict the energy that is seen.

    EM alone fails outright in a few trials in a hundred: an atom that is weak for a while is dropped, or
    a factor with few rows is explained by about as many wrong atoms as it has rows. With ``prune=None`` a
    search follows EM: atoms whose evidence is not worth their price, ``max(log(M) / 2, log(n_i))`` [2]_
    [3]_, are dropped, others are admitted, by the exact change of the evidence for each atom [4]_, and
    where at least half as many atoms are kept as a factor has rows, it starts again from others. Of all
    these supports the one of lowest ``neg_log_evidence`` with prices is returned. The mean error is then
    that of least squares on the true support, where that of EM alone is governed by its failures.

    The price supposes that few atoms are active. Where half of them are, ``prune=1e-3`` may do better.

    The errors of a fit that did not find the support are not in ``coef_var``, which is conditional on it.
    float32 is solved in double precision and rounded once.

    References
    ----------
    .. [1] Y. He and G. Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with
       application to IRS-MIMO channel estimation", 2023, arXiv:2307.14719.
    .. [2] G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6(2), 1978.
    .. [3] J. Chen and Z. Chen, "Extended Bayesian information criteria for model selection with large
       model spaces", Biometrika 95(3), 2008.
    .. [4] M. E. Tipping and A. C. Faul, "Fast marginal likelihood maximisation for sparse Bayesian
       models", AISTATS 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.recovery import kronecker_matvec, kronecker_sbl
    >>> rng = np.random.default_rng(0)
    >>> dictionaries = [rng.standard_normal((8, 12)), rng.standard_normal((10, 15))]
    >>> x = np.zeros((12, 15))
    >>> x[np.ix_([2, 7], [0, 5, 11])] = [[1.0, -2.0, 1.5], [-0.5, 1.0, -0.75]]
    >>> y = kronecker_matvec(dictionaries, x.ravel()) + 0.1 * rng.standard_normal(80)
    >>> result = kronecker_sbl(y, dictionaries)
    >>> np.array_equal(result.support, np.flatnonzero(x))
    True
    >>> bool(np.linalg.norm(result.coef - x.ravel()) < 0.1 * np.linalg.norm(x))
    True
    """
    check_option("method", method, METHODS)
    tol = check_number("tol", tol, 0.0, open_low=True)
    max_iter = check_integer("max_iter", max_iter, 1)
    report = _counting(reporter(callback))
    columns, factors, single, dtype, xp = as_problem(Y, dictionaries)
    if noise_var is not None:
        noise_var = check_noise_var(noise_var)
    couplings = _per_factor("coupling", coupling, len(factors))
    if couplings is not None and any(couplings) and method == "svd":
        remedy = "Use method='am', or 'ksbl' for a single sweep."
        raise ValueError(invalid("coupling", "None or zeros with method='svd'", couplings, remedy))
    thresholds = _per_factor("prune", prune, len(factors), high=1.0)
    problem = _normalised(factors, columns, noise_var, xp)
    if problem.given is None:
        found = Hyperparameters([], problem.noise_var, change=0.0, converged=True)
    else:
        found = _learn(problem, method, couplings, thresholds, tol, max_iter, report)
    status = _status(found, tol, max_iter, problem)
    if not (found.converged or found.stopped):
        warn_not_converged(f"kronecker_sbl with method={method!r}", found.change, tol, _remedy(max_iter))
    return problem.result(found, single, dtype, status)


@dataclass(frozen=True)
class _Problem:
    """Measurements of mean square one, with dictionaries of columns of unit norm, or of unit mean norm."""

    given: Measurements | None
    """None where nothing can be learned: no signal, or a factor of zeros."""
    like: object
    """The columns of Y, for their shape, library and device."""
    shape: tuple
    """Numbers of columns of the dictionaries."""
    alive: list
    """Indices of the columns that are not zero, by factor."""
    lengths: list
    """What those columns were divided by."""
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
        scale = from_host(self.unit / outer(lengths, np), xp, mean)[:, None]
        coef = full_length(mean * scale, places, self.shape, xp)
        coef_var = full_length(variance[:, None] * scale * scale, places, self.shape, xp)[:, 0]
        full = []
        for n, place, gamma, length in zip(self.shape, places, gammas, lengths, strict=True):
            values = np.zeros(n)
            values[place] = gamma / length**2
            full.append(values)
        # The scale of the measurements, and all else that the factors leave open, in equal shares.
        norms = [math.log(values.max()) + math.log(np.linalg.norm(values / values.max())) for values in full]
        share = (sum(norms) + 2.0 * math.log(self.unit)) / len(full)
        full = [values * math.exp(share - norm) for values, norm in zip(full, norms, strict=True)]
        evidence = posterior.neg_log_evidence(found.noise_var) + given.log_jacobian(self.unit)
        return KroneckerSBLResult(
            coef=cast(coef[:, 0] if single else coef, dtype, xp),
            gammas=[cast(from_host(values, xp, mean), real(dtype), xp, "gammas") for values in full],
            noise_var=found.noise_var * self.unit**2,
            support=from_host(flat_indices(places, self.shape), xp, mean),
            coef_var=cast(coef_var, real(dtype), xp, "the variances of the coefficients"),
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
        zeros = full_length(self.like[:0, :], [np.zeros(0, np.int64)] * len(self.shape), self.shape, xp)
        return KroneckerSBLResult(
            coef=cast(zeros[:, 0] if single else zeros, dtype, xp),
            gammas=[cast(from_host(np.zeros(n), xp, self.like), real(dtype), xp) for n in self.shape],
            noise_var=noise_var,
            support=from_host(np.zeros(0, dtype=np.int64), xp, self.like),
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
    relative = noise_var if noise_var is None or not unit else noise_var / unit / unit
    if relative is not None and not 0.0 < relative < math.inf:
        constraint = f"within 1e±300 of the mean square of the measurements, of size {unit:.1e}"
        raise ValueError(invalid("noise_var", constraint, noise_var))
    _check_squares("Y", unit)
    alive, lengths, normalised = [], [], []
    for factor in factors:
        power = power_of_two(factor, xp)
        length = np.sqrt(host_floats(xp.sum(squared_modulus(factor / power, xp), axis=0)))
        places = np.flatnonzero(length)
        length = length[places]
        if len(factors) > 1 and len(places):
            # The columns of a table may have any units. Those of several factors are kept in proportion: the
            # prior is on the coefficients, and that is how it was found to recover most.
            length = np.full_like(length, np.sqrt(np.mean(length**2)))
        matrix = xp.take(factor / power, from_host(places, xp, factor), axis=1)
        normalised.append(matrix / from_host(length, xp, factor))
        for size in (np.min(length) * power, np.max(length) * power) if len(places) else ():
            _check_squares("dictionaries", size)
        alive.append(places)
        lengths.append(length * power)
    shape = tuple(factor.shape[1] for factor in factors)
    if unit == 0.0 or not all(map(len, alive)):
        known = unit**2 if noise_var is None else noise_var
        return _Problem(None, columns, shape, alive, lengths, unit, known, xp)
    given = measurements(normalised, columns / math.sqrt(mean_square), xp)
    return _Problem(given, columns, shape, alive, lengths, unit, relative, xp)


def _check_squares(name, size):
    """Raise ValueError for numbers whose squares, the units of variances, are out of range."""
    if size and not 1e-153 <= size <= 1e153:
        remedy = "Scale it: variances have its squares as units."
        raise ValueError(invalid(name, "of numbers of size between 1e-153 and 1e153", float(size), remedy))


def _learn(problem, method, couplings, thresholds, tol, max_iter, report):
    """Return the `Hyperparameters` of the best start, and of the search from there."""
    given, shape = problem.given, problem.given.shape
    matrices = None
    if couplings is not None and any(couplings):
        matrices = [
            coupling_matrix(beta, n, alive)
            for beta, n, alive in zip(couplings, problem.shape, problem.alive, strict=True)
        ]
    searching = thresholds is None and matrices is None
    if thresholds is None:
        shares = [_PRUNE_SVD if method == "svd" and sum(n > 1 for n in shape) > 1 else _PRUNE] * len(shape)
        if matrices is not None:
            shares = [_PRUNE_COUPLED[matrix is None] for matrix in matrices]
        units = [np.ones(n) for n in shape]
    else:
        shares, units = thresholds, [length**-2.0 for length in problem.lengths]  # in the units of the input
    unknown = problem.noise_var is None
    first_tol = max(tol, _FIRST_TOL) if searching else tol
    rules = Rules(method, matrices, shares, units, unknown, first_tol, max_iter)
    best, lowest = None, math.inf
    for level in _LEVELS[method][:1] if searching else _LEVELS[method]:
        for noise_var, hold in _NOISE_STARTS if unknown else [(problem.noise_var, 0)]:
            start = Hyperparameters(_equal_gammas(given, level), noise_var)
            found = expectation_maximisation(given, start, rules, hold=hold, report=report)
            figure = found.neg_log_evidence(given)
            if best is None or figure < lowest:
                best, lowest = found, figure
            if found.stopped:
                return dataclasses.replace(best, converged=False, stopped=True)
    if searching:
        best = search(given, best, dataclasses.replace(rules, tol=tol), report)
    return best


def _equal_gammas(given, level):
    """Return equal gammas that predict ``level`` times the energy of measurements of mean square one."""
    gammas = [np.full(n, n**-0.5) for n in given.shape]
    total = level * given.n_measurements / math.prod(given.shape)
    gammas[-1] = np.full(given.shape[-1], total * math.prod(n**0.5 for n in given.shape[:-1]))
    return gammas


def _status(found, tol, max_iter, problem):
    """Return what happened, in a sentence."""
    if problem.given is None:
        what = "the measurements are zero" if problem.unit == 0.0 else "a dictionary has zeros only"
        return f"No coefficient can be learned, since {what}: all are zero."
    if found.stopped:
        return "Stopped by the callback."
    figures = f"the gammas changed by {found.change:.1e} in the last iteration (tol={tol:.1e})"
    if found.converged:
        return f"Converged: {figures}."
    return f"Not converged: {figures}. {_remedy(max_iter)}"


def _remedy(max_iter):
    return f"Raise max_iter above {max_iter}, or tol."


def _per_factor(name, values, count, high=math.inf):
    """Return one non-negative number for each factor, or None for None."""
    if values is None:
        return None
    if isinstance(values, numbers.Real) or getattr(values, "ndim", None) == 0:
        values = [values] * count
    constraint = f"a number or {count} of them, one for each dictionary"
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(invalid(name, constraint, values))
    values = list(values)
    if len(values) != count:
        raise ValueError(invalid(name, constraint, values))
    return [
        check_number(f"{name}[{i}]", _as_python(value), 0.0, high, open_high=high < math.inf)
        for i, value in enumerate(values)
    ]


def _as_python(value):
    return value.item() if hasattr(value, "item") else value


def _counting(report):
    """Return a report that numbers the iterations of several runs of EM as one sequence."""
    count = 0

    def numbered(_, figure):
        nonlocal count
        count += 1
        return report(count, figure)

    return numbered
