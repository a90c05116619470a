"""Print the guide's tables of samplings for least squares: ``python docs/sampling_table.py``."""

import itertools
import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import spectralkit
from spectralkit.sampling import (
    OptimalWeightedLeastSquares,
    TensorPolynomialBasis,
    christoffel_density,
    greedy_subsample,
    sample_dpp,
)

REPEATS = 200
CASES = [(1, 9, 1), (1, 9, 2), (1, 9, 3), (1, 29, 1), (1, 29, 2), (2, 8, 1), (2, 8, 2)]
CONTENDERS = {
    "iid": {"sampling": "iid"},
    "volume": {"sampling": "volume"},
    "DPP, repeated": {"sampling": "dpp"},
    "DPP, conditioned": {"sampling": "dpp", "stability": 0.5},
    "DPP, greedy": None,
}
# Draws that the greedy column starts from, and a bound low enough for n points to be reached.
STARTS, BOUND = 6, 0.02


def runge(X):
    """Return a function with poles near the domain."""
    return 1.0 / (1.0 + 25.0 * np.mean(X**2, axis=1))


def best_approximation(basis):
    """Return the coefficients of the best approximation, and its error, by Gauss quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    X = np.array(list(itertools.product(nodes, repeat=basis.n_dims)))
    weights = np.prod(list(itertools.product(0.5 * weights, repeat=basis.n_dims)), axis=1)
    Phi, values = basis.evaluate(X), runge(X)
    coef = Phi.T @ (weights * values)
    # The norm of the residual itself: differences of squared norms lose half of the digits.
    return coef, np.sqrt(weights @ (values - Phi @ coef) ** 2)


def fitted(basis, options, n, seed):
    """Return a surrogate on n points, or on a few more if greedy removal stopped early."""
    if options is not None:
        options = {"n_samples": n, "random_state": seed, **options}
        return OptimalWeightedLeastSquares(basis, **options).fit_function(runge)
    X = sample_dpp(basis, n_repeats=STARTS, rng=seed).reshape(-1, basis.n_dims)
    Phi = basis.evaluate(X)
    weights = 1.0 / christoffel_density(Phi)
    kept = greedy_subsample(Phi, weights, n_min=n, stability=BOUND)
    surrogate = OptimalWeightedLeastSquares(basis).fit(X[kept], runge(X[kept]), weights[kept])
    surrogate.n_trials_ = STARTS
    return surrogate


def measure(d, degree, times):
    """Return errors over the best one, smallest eigenvalues and draws of each contender."""
    basis = TensorPolynomialBasis("legendre", degree, n_dims=d)
    m, n = basis.n_features, times * basis.n_features
    coef, best = best_approximation(basis)
    found = {}
    for name, options in CONTENDERS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            surrogates = [fitted(basis, options, n, seed) for seed in range(REPEATS)]
        errors = [np.hypot(best, np.linalg.norm(s.coef_ - coef)) / best for s in surrogates]
        stability = [s.stability_ for s in surrogates]
        draws = np.mean([s.n_trials_ for s in surrogates])
        points = max(len(s.weights_) for s in surrogates)
        if points > n:
            print(f"greedy removal stopped at up to {points} points", file=sys.stderr)
        found[name] = np.array(errors), np.array(stability), draws
    return f"{d}, {m}, {n}", found


def number(value):
    """Return an error of two or three digits."""
    if value >= 1e4:
        return f"{value:.0e}"
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def small(value):
    """Return an eigenvalue, between 0 and 1."""
    return f"{value:.0e}" if value < 1e-3 else f"{value:.3f}"


def main():
    """Print both tables."""
    rows = [measure(*case) for case in CASES]
    head, line = "| $d$, $m$, $n$ | " + " | ".join(CONTENDERS) + " |", "| --- |" + " --- |" * len(CONTENDERS)
    print(f"{head}\n{line}")
    for label, found in rows:
        cells = (
            f"{number(np.median(errors))}, {number(np.quantile(errors, 0.95))}"
            for errors, _, _ in found.values()
        )
        print(f"| {label} | " + " | ".join(cells) + " |")
    print(f"\n{head} draws |\n{line} --- |")
    for label, found in rows:
        cells = (
            f"{small(np.median(stability))}, {small(np.quantile(stability, 0.05))}"
            for _, stability, _ in found.values()
        )
        print(f"| {label} | " + " | ".join(cells) + f" | {found['DPP, conditioned'][2]:.0f} |")


if __name__ == "__main__":
    with spectralkit.threads(1):
        main()
