"""Expectation maximisation for the factors of the prior variances, and for the noise."""

import dataclasses

import numpy as np

from spectralkit._core.namespaces import from_host
from spectralkit.recovery._gaussian import factorise
from spectralkit.recovery._hyperparameters import (
    alternating_minimisation,
    leading_factors,
    relative_change,
)
from spectralkit.recovery._products import outer, squared_modulus

# Learned noise stays above this share of the mean square of the measurements: squares of rounding errors
# are 5e-32 of it.
NOISE_FLOOR = 1e-26


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """What EM has reached: gammas of full length on the host, zero for atoms that were dropped."""

    gammas: list
    noise_var: float
    n_iter: int = 0
    change: float = np.inf
    converged: bool = False
    stopped: bool = False

    @property
    def kept(self):
        """Indices of the atoms that are left, by factor."""
        return [np.flatnonzero(gamma) for gamma in self.gammas]

    def neg_log_evidence(self, given):
        """Return ``-log p(Y)`` of `Measurements`."""
        kept = self.kept
        gammas = [gamma[indices] for gamma, indices in zip(self.gammas, kept, strict=True)]
        return factorise(given.restricted(kept), gammas).neg_log_evidence(self.noise_var)

    def with_gamma(self, index, gamma):
        """Return the same with other gammas for one factor."""
        gammas = list(self.gammas)
        gammas[index] = gamma
        return dataclasses.replace(self, gammas=gammas)


@dataclasses.dataclass(frozen=True)
class Rules:
    """How EM goes on: the M-step, when atoms are dropped, when to stop."""

    method: str
    couplings: list | None
    """Matrices of the neighbour coupling, one for each factor or None."""
    thresholds: list
    """For each factor the share of the largest gamma, in the units below, at which an atom is dropped."""
    units: list
    """Vectors by which gammas are multiplied before they are compared."""
    learn_noise: bool
    tol: float
    max_iter: int

    def maximise(self, moments, gammas, kept, xp):
        """Return gammas that raise the expected likelihood of the moments."""
        if self.method == "svd":
            return leading_factors(moments, gammas, xp)
        couplings = None
        if self.couplings is not None:
            couplings = [
                None if matrix is None else matrix[np.ix_(indices, indices)]
                for matrix, indices in zip(self.couplings, kept, strict=True)
            ]
        sweeps = {"sweeps": 1} if self.method == "ksbl" else {}
        return alternating_minimisation(moments, gammas, xp, couplings=couplings, **sweeps)


def expectation_maximisation(given, start, rules, *, hold=0, report=None):
    """
    Return the `Hyperparameters` after EM on `Measurements`, from others.

    Stops when the product of the gammas changes by at most ``rules.tol``, relative, in one iteration. Atoms
    that ``start`` leaves out stay out. Noise that is learned is held for ``hold`` iterations first, or until
    the gammas have settled.
    """
    xp = given.xp
    kept = start.kept
    gammas = [gamma[indices] for gamma, indices in zip(start.gammas, kept, strict=True)]
    noise_var = start.noise_var
    current = given.restricted(kept)
    change, converged, stopped, n_iter, held_for = np.inf, False, False, 0, hold
    while n_iter < rules.max_iter and not (converged or stopped):
        n_iter += 1
        factorisation = factorise(current, gammas)
        prior = outer([from_host(gamma, xp, given.Y) for gamma in gammas], xp)
        moments = squared_modulus(factorisation.mean(noise_var), xp)
        moments = moments[:, 0] if given.n_snapshots == 1 else xp.mean(moments, axis=1)
        moments = moments + prior * factorisation.shrinkage(noise_var)
        if rules.learn_noise and n_iter > held_for:
            energy = factorisation.expected_noise_energy(noise_var)
            noise_var = max(energy / (given.n_measurements * given.n_snapshots), NOISE_FLOOR)
        updated = rules.maximise(moments, gammas, kept, xp)
        change = relative_change(updated, gammas)
        alive = [
            gamma * unit[indices] >= threshold * np.max(gamma * unit[indices])
            for gamma, unit, indices, threshold in zip(
                updated, rules.units, kept, rules.thresholds, strict=True
            )
        ]
        gammas = updated
        if not all(map(np.all, alive)):
            gammas = [gamma[those] for gamma, those in zip(updated, alive, strict=True)]
            kept = [indices[those] for indices, those in zip(kept, alive, strict=True)]
            current = current.restricted([np.flatnonzero(those) for those in alive])
        settled = change <= rules.tol
        converged = settled and not (rules.learn_noise and n_iter < held_for + 2)
        held_for = min(held_for, n_iter) if settled else held_for
        stopped = report is not None and report(n_iter, change)
        converged = converged and not stopped
    full = [np.zeros_like(gamma) for gamma in start.gammas]
    for gamma, indices, values in zip(full, kept, gammas, strict=True):
        gamma[indices] = values
    return Hyperparameters(full, noise_var, n_iter, change, converged, stopped)
