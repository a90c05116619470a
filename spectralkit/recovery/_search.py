"""Search for the support by evidence: EM alone loses weak atoms, and may end with wrong ones."""

import dataclasses
import math

import numpy as np

from spectralkit._core.namespaces import from_host, to_host
from spectralkit.recovery._em import NOISE_FLOOR, expectation_maximisation
from spectralkit.recovery._gaussian import host_floats
from spectralkit.recovery._products import adjoint_of, multiply

# Starts of a kind that are tried for one factor, and iterations of each.
_MAX_STARTS, _RESTART_ITERATIONS = 16, 60
_RESTART_TOL = 1e-3
# Rounds over all factors, the share of the largest gamma that EM keeps after a move, and what counts as an
# improvement.
_ROUNDS, _PRUNE, _IMPROVEMENT = 6, 1e-8, 1e-3
# Iterations of EM after which atoms are judged.
_SETTLING = 10
# Prior variances at which the gain of an atom is evaluated, in units of one estimated from its first moments.
_GRID = np.geomspace(1e-3, 1e3, 13)


@dataclasses.dataclass(frozen=True)
class FactorView:
    """
    One factor of the model with the others fixed: SBL with snapshots of different, known strengths.

    In the eigenbasis of the other factors' covariance the measurements are ``z_k = λ_k^(1/2) H u_k + noise``
    with ``u_k ~ N(0, diag(gamma))``, one k for each product of kept atoms of the others: small arrays on the
    host, whatever the size of the whole.
    """

    factor: np.ndarray
    """All columns of the factor, of shape (m, n)."""
    strengths: np.ndarray
    """The λ_k, of shape (R,), repeated for every snapshot."""
    z: np.ndarray
    """Measurements of shape (m, R)."""
    noise_var: float
    weight: float
    """1 for complex measurements, 1/2 for real ones: what a Gaussian log density has in front."""

    def spectrum(self, gamma):
        """Return the eigenvectors and, in columns, the eigenvalues of the covariances of the z_k."""
        kept = np.flatnonzero(gamma)
        U, s, _ = np.linalg.svd(self.factor[:, kept] * np.sqrt(gamma[kept]), full_matrices=True)
        variances = np.zeros(len(U))
        variances[: len(s)] = s * s
        return U, self.noise_var + variances[:, None] * self.strengths

    def figure(self, gamma, price):
        """Return ``-log p(Y) + price of the kept atoms``, up to what ``gamma`` does not change."""
        U, spread = self.spectrum(gamma)
        energies = _squared(U.conj().T @ self.z)
        evidence = self.weight * float(np.sum(np.log(spread) + energies / spread))
        return evidence + price * np.count_nonzero(gamma)

    def slopes(self, gamma):
        """
        Return ``λ_k h_j^H C_k^-1 h_j`` and ``λ_k |h_j^H C_k^-1 z_k|²``, of shape (n, R).

        All that the evidence says about a change of one variance: adding δ to gamma_j changes the negative
        logarithm by ``Σ_k log(1 + δ s_jk) - δ q_jk / (1 + δ s_jk)``, times the weight (Tipping and Faul).
        """
        U, spread = self.spectrum(gamma)
        analysis = self.factor.conj().T @ U
        s = _squared(analysis) @ (self.strengths / spread)
        q = _squared(analysis @ ((U.conj().T @ self.z) / spread)) * self.strengths
        return s, q

    def removal_costs(self, gamma):
        """Return by how much the negative log evidence grows without each atom, the others as they are."""
        s, q = self.slopes(gamma)
        # 1 - gamma s is the posterior share of the variance, positive; where an atom is measured so well that
        # it cancels its removal costs more than any threshold.
        left = np.maximum(1.0 - gamma[:, None] * s, np.finfo(float).eps)
        return self.weight * np.sum(np.log(left) + gamma[:, None] * q / left, axis=1)

    def additions(self, gamma):
        """Return the best variance of each atom that is not kept, and by how much it lowers the figure."""
        s, q = self.slopes(gamma)
        excess = np.sum(q - s, axis=1)
        typical = np.maximum(excess, 0.0) / np.maximum(np.sum(s * s, axis=1), np.finfo(float).tiny)
        candidates = typical[:, None] * _GRID
        gains = np.empty_like(candidates)
        for column in range(len(_GRID)):
            delta = candidates[:, column, None]
            grown = 1.0 + delta * s
            gains[:, column] = -self.weight * np.sum(np.log(grown) - delta * q / grown, axis=1)
        best = np.argmax(gains, axis=1)
        rows = np.arange(len(gamma))
        gain = np.where((gamma > 0.0) | (excess <= 0.0), 0.0, gains[rows, best])
        return candidates[rows, best], gain

    def refit(self, gamma):
        """Return gammas after EM from ``gamma``, the other factors fixed."""
        kept = np.flatnonzero(gamma)
        current = gamma[kept]
        for _ in range(_RESTART_ITERATIONS):
            U, s, Vh = np.linalg.svd(self.factor[:, kept] * np.sqrt(current), full_matrices=False)
            spread = self.noise_var + (s * s)[:, None] * self.strengths
            share = np.sum(self.noise_var / spread, axis=1)
            gains = s[:, None] * np.sqrt(self.strengths) / spread
            mean = Vh.conj().T @ (gains * (U.conj().T @ self.z))
            weights = _squared(Vh)
            null = np.maximum(1.0 - np.sum(weights, axis=0), 0.0)
            second = share @ weights + null * len(self.strengths) + np.sum(_squared(mean), axis=1)
            new = current * second / len(self.strengths)
            change = np.linalg.norm(new - current) / np.linalg.norm(current)
            alive = new >= _PRUNE * new.max()
            kept, current = kept[alive], new[alive]
            if change <= _RESTART_TOL:
                break
        fitted = np.zeros_like(gamma)
        fitted[kept] = current
        return fitted

    def trimmed(self, gamma, price):
        """Return gammas without the atoms whose evidence is worth less than ``price``, the weakest first."""
        gamma = gamma.copy()
        while np.count_nonzero(gamma) > 1:
            kept = np.flatnonzero(gamma)
            small = dataclasses.replace(self, factor=self.factor[:, kept])
            costs = small.removal_costs(gamma[kept])
            order = np.argsort(costs, kind="stable")
            cheap = int(np.count_nonzero(costs < price))
            if cheap == 0:
                break
            # A few at a time where there are many: what two of them explained together is worth more then.
            dropped = min(max(1, cheap // 4), len(kept) - 1)
            gamma[kept[order[:dropped]]] = 0.0
        return gamma


def search(given, found, rules, report):
    """
    Return the `Hyperparameters` of lowest ``-log p(Y) + prices of the kept atoms`` that local moves lead to.

    Moves change one factor: they drop atoms, admit others, or start again from elsewhere where the support is
    suspicious; then EM goes on from there with all factors. Ends early where ``report`` asks for it.
    """
    # By alternating minimisation, whose fixed points are those of the evidence: successive singular vectors
    # fit the largest moments best, and leave others with too little variance where the values of the
    # coefficients are no products.
    rules = dataclasses.replace(rules, method="am", thresholds=[_PRUNE] * len(rules.thresholds))
    count = given.n_measurements * given.n_snapshots * (2 if given.is_complex else 1)
    # Half the logarithm of the number of real measurements (Schwarz' criterion): without a price the evidence
    # keeps about a third of the atoms that only fit noise. At least the logarithm of the number of atoms to
    # choose from (Chen and Chen's extension of it), since the best of many useless ones gains more.
    prices = [max(0.5 * math.log(count), math.log(n)) for n in given.shape]

    def figure(state):
        paid = sum(price * len(atoms) for price, atoms in zip(prices, state.kept, strict=True))
        return state.neg_log_evidence(given) + paid

    best = _polished(given, found, rules, prices, report)
    lowest = figure(best)
    for _ in range(_ROUNDS if not best.stopped else 0):
        before = lowest
        for index, price in enumerate(prices):
            view = _factor_view(given, best.gammas, best.noise_var, index)
            bound = view.figure(best.gammas[index], price) - _IMPROVEMENT
            for gamma in _candidates(view, best.gammas[index], price):
                if view.figure(gamma, price) >= bound:
                    continue
                state = _polished(given, best.with_gamma(index, gamma), rules, prices, report)
                if state.stopped:
                    return dataclasses.replace(best, n_iter=found.n_iter, converged=False, stopped=True)
                reached = figure(state)
                if reached < lowest - _IMPROVEMENT:
                    best, lowest = state, reached
                    break
        if lowest == before:
            break
    if not found.converged:
        best = dataclasses.replace(best, change=found.change)
    return dataclasses.replace(best, n_iter=found.n_iter, converged=found.converged and best.converged)


def _polished(given, state, rules, prices, report):
    """Return the state after EM, without the atoms that are not worth their prices."""
    # A few iterations settle what an atom is worth; the others are worth making without those that go.
    limit = dataclasses.replace(rules, max_iter=min(_SETTLING, rules.max_iter))
    while True:
        state = expectation_maximisation(given, state, limit, report=report)
        if state.stopped:
            return state
        trimmed = state
        for index, price in enumerate(prices):
            view = _factor_view(given, trimmed.gammas, trimmed.noise_var, index)
            trimmed = trimmed.with_gamma(index, view.trimmed(trimmed.gammas[index], price))
        unchanged = all(map(np.array_equal, trimmed.kept, state.kept))
        if unchanged and (state.converged or limit is rules):
            return state
        state, limit = trimmed, rules


def _factor_view(given, gammas, noise_var, index):
    """Return the `FactorView` of one factor of ``Measurements`` for full-length host gammas."""
    xp = given.xp
    kept = [np.flatnonzero(gamma) for gamma in gammas]
    kept[index] = np.arange(given.shape[index])
    current = given.restricted(kept)
    rotations, strengths = [], np.ones(1)
    for i, (factor, gamma) in enumerate(zip(current.factors, gammas, strict=True)):
        if i == index:
            rotations.append(xp.astype(from_host(np.eye(factor.shape[0]), xp, factor), factor.dtype))
            continue
        root = from_host(np.sqrt(gamma[kept[i]]), xp, factor)
        U, s, _ = xp.linalg.svd(factor * root[None, :], full_matrices=False)
        rotations.append(adjoint_of(U, xp))
        strengths = np.kron(strengths, host_floats(s) ** 2)
    z = to_host(multiply(rotations, current.Y, xp))
    shape = [rotation.shape[0] for rotation in rotations]
    z = np.moveaxis(z.reshape(*shape, -1), index, 0).reshape(shape[index], len(strengths), -1)
    seen = strengths > np.finfo(float).eps * strengths.max()
    return FactorView(
        to_host(current.factors[index]),
        np.repeat(strengths[seen], z.shape[2]),
        np.ascontiguousarray(z[:, seen].reshape(shape[index], -1)),
        max(noise_var, NOISE_FLOOR),
        1.0 if given.is_complex else 0.5,
    )


def _candidates(view, gamma, price):
    """
    Yield gammas of one factor that may explain the measurements better than ``gamma``.

    First those with the atoms added whose evidence is worth more than ``price``. More are tried only for
    factors with fewer rows than columns, and where at least half as many atoms are kept as there are rows:
    two different exact explanations by k and l columns in general position need k + l > m, so with fewer
    what is found is the only sparse one. They are what atoms taken in one after the other lead to, first the
    best one, then each of the promising ones; and starts from equal variances without one of the kept atoms.
    """
    best, gain = view.additions(gamma)
    missing = gain > price
    if missing.any():
        yield view.trimmed(view.refit(np.where(missing, best, gamma)), price)
    kept = np.flatnonzero(gamma)
    m, n = view.factor.shape
    if m >= n or 2 * len(kept) < m:
        return
    empty = np.zeros_like(gamma)
    best, gain = view.additions(empty)
    first = np.argsort(-gain, kind="stable")[:_MAX_STARTS]
    yield from _grown(view, np.where(np.arange(len(gamma)) == first[0], best, 0.0), price)
    for atom in kept[np.argsort(-gamma[kept], kind="stable")][:_MAX_STARTS]:
        start = np.full_like(gamma, gamma.max())
        start[atom] = 0.0
        if start.any():
            yield view.trimmed(view.refit(start), price)
    for atom in first[1:]:
        yield from _grown(view, np.where(np.arange(len(gamma)) == atom, best, 0.0), price)


def _grown(view, gamma, price):
    """Yield gammas with one more atom each time, that of the largest gain, while it is worth its price."""
    while 2 * np.count_nonzero(gamma) < view.factor.shape[0] + 2:
        best, gain = view.additions(gamma)
        atom = int(np.argmax(gain))
        if gain[atom] <= price:
            break
        grown = gamma.copy()
        grown[atom] = best[atom]
        grown = view.trimmed(view.refit(grown), price)
        if np.count_nonzero(grown) <= np.count_nonzero(gamma):
            break  # it drives another out, or does not stay
        gamma = grown
        yield gamma


def _squared(x):
    return (x * x.conj()).real
