"""Sampling: a surrogate of a circuit from few runs, and the rows of a table that are worth a label."""

import importlib.util

import numpy as np

from spectralkit.sampling import (
    OptimalWeightedLeastSquares,
    TensorPolynomialBasis,
    sample_dpp_finite,
    weighted_lstsq,
)
from spectralkit.tour._draw import BLUE, GREEN, ORANGE, PURPLE, SKY, panels
from spectralkit.tour._stop import StopResult, timed


def surrogate_of_a_simulator():
    """Fit a polynomial to few runs of a circuit, and read off which of its parts matter."""
    from scipy.stats import qmc

    basis, repeats = TensorPolynomialBasis("legendre", 3, n_dims=6), 7
    test = 2.0 * qmc.Sobol(6, seed=2024).random(4096) - 1.0
    truth, Phi = _voltage(test), basis.evaluate(test)
    best = np.linalg.lstsq(Phi, truth, rcond=None)[0]

    def error(coef):
        return np.sqrt(np.mean((truth - Phi @ coef) ** 2)) / truth.std()

    def ours(seed):
        return OptimalWeightedLeastSquares(
            basis,
            n_samples=4 * basis.n_features,
            stability=0.1,
            max_trials=1,
            greedy=True,
            random_state=seed,
        ).fit_function(_voltage)

    ours(0)  # compiles
    fits = [timed(ours, seed) for seed in range(repeats)]
    used = [len(fit.X_) for fit, _ in fits]
    errors = {"DPP, thinned": [error(fit.coef_) for fit, _ in fits]}
    cubes = {
        "Sobol points": lambda n, seed: qmc.Sobol(6, seed=seed).random(256)[:n],
        "Latin hypercube": lambda n, seed: qmc.LatinHypercube(6, seed=seed).random(n),
        "Monte Carlo": lambda n, seed: np.random.default_rng(seed).random((n, 6)),
    }
    for name, cube in cubes.items():
        designs = [2.0 * cube(n, seed) - 1.0 for seed, n in enumerate(used)]
        errors[name] = [
            error(weighted_lstsq(basis.evaluate(X), _voltage(X), np.ones(len(X)))) for X in designs
        ]
    figure, left, right = panels(5.0, 5.0)
    for place, (values, colour) in enumerate(
        zip(errors.values(), (BLUE, PURPLE, ORANGE, GREEN), strict=True)
    ):
        left.semilogy(np.full(repeats, place), values, "o", color=colour, alpha=0.6, markeredgewidth=0)
        left.semilogy([place - 0.2, place + 0.2], [np.median(values)] * 2, color=colour, linewidth=2)
    left.axhline(error(best), color="black", linestyle=":", linewidth=0.8)
    left.set_xticks(range(len(errors)), errors, fontsize=9)
    left.set(xlim=(-0.5, len(errors) - 0.5), ylabel="relative error", ylim=(5e-3, 5e-2))
    left.set_yticks([5e-3, 1e-2, 2e-2, 5e-2], ["0.005", "0.01", "0.02", "0.05"])
    left.minorticks_off()
    left.set_title(f"{min(used)} to {max(used)} runs, {basis.n_features} functions", fontsize=11)
    moments, places = fits[0][0].conditional_moments(), np.arange(6)
    right.bar(places - 0.2, moments.sobol, 0.4, color=BLUE, label="alone")
    right.bar(places + 0.2, moments.total_sobol, 0.4, color=SKY, label="with others")
    right.set_xticks(places, ["Rb1", "Rb2", "Rf", "Rc1", "Rc2", "gain"])
    right.set(ylabel="share of the variance")
    right.legend(frameon=False)
    right.set_title("Sobol indices of the first fit", fontsize=11)
    hypercube = np.median(errors["Latin hypercube"])
    return StopResult(
        method="OptimalWeightedLeastSquares",
        problem=f"circuit with 6 inputs, degree 3, {round(np.mean(used))} runs",
        error=np.median(errors["DPP, thinned"]),
        seconds=np.median([spent for _, spent in fits]),
        peer="Latin hypercube",
        sentence=(
            "Points of four determinantal draws, thinned while least squares stays stable, decide where the "
            "circuit is run; the error is that of the surrogate on 4096 other points over the standard "
            f"deviation, median of {repeats} repeats (a Latin hypercube with ordinary least squares, the "
            f"same numbers of runs: {hypercube:.1e}; the best polynomial, dotted: {error(best):.1e})."
        ),
        figure=figure,
    )


def rows_worth_a_label():
    """Label few patients of a table, drawn as a determinantal point process, and fit all."""
    from sklearn.datasets import load_diabetes
    from sklearn.preprocessing import PolynomialFeatures

    X, y = load_diabetes(return_X_y=True)
    features = PolynomialFeatures(2).fit_transform(X / X.std(axis=0))
    U, values, _ = np.linalg.svd(features, full_matrices=False)
    Q = np.ascontiguousarray(U[:, values > 1e-10 * values[0]])  # sex squared is no new feature
    (n_rows, m), leverage = Q.shape, np.sum(Q**2, axis=1)
    least = np.linalg.norm(y - Q @ (Q.T @ y))

    def excess(rows, weights):
        coef = weighted_lstsq(Q[rows], y[rows], weights[rows])
        return np.linalg.norm(y - Q @ coef) / least - 1.0

    sample_dpp_finite(Q, rng=0)  # compiles
    _, seconds = timed(sample_dpp_finite, Q, n_repeats=20, rng=0)
    draws = 400
    drawn = sample_dpp_finite(Q, n_repeats=draws, rng=0)
    rng, repeats, shares = np.random.default_rng(0), 50, (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
    found = {"sample_dpp_finite": [], "uniform rows": []}
    for share in shares:
        count = int(share * m)
        ours = drawn[: 4 * repeats].reshape(repeats, -1)[:, :count]
        found["sample_dpp_finite"].append([excess(rows, 1.0 / leverage) for rows in ours])
        found["uniform rows"].append(
            [excess(rng.choice(n_rows, count, replace=False), np.ones(n_rows)) for _ in range(repeats)]
        )
    figure, left, right = panels(5.0, 4.4)
    counts = [int(share * m) for share in shares]
    for (name, errors), colour, style in zip(found.items(), (BLUE, ORANGE), ("o-", "s--"), strict=True):
        low, middle, high = np.quantile(errors, [0.05, 0.5, 0.95], axis=1)
        left.fill_between(counts, low, high, color=colour, alpha=0.2, linewidth=0)
        left.loglog(counts, middle, style, ms=5, color=colour, label=name)
    left.set_xticks(counts, map(str, counts))
    left.minorticks_off()
    left.set(xlabel=f"labels, of {n_rows}", ylabel="excess of the residual over that of all labels")
    left.legend(frameon=False)
    left.set_title(f"Diabetes table, {m} features of degree 2", fontsize=11)
    frequency = np.bincount(drawn.ravel(), minlength=n_rows) / draws
    right.plot(leverage, frequency, "o", ms=4, color=BLUE, alpha=0.5, markeredgewidth=0)
    right.plot([0, 0.85], [0, 0.85], color="black", linewidth=0.8)
    right.set(xlabel="leverage score", ylabel=f"share of {draws} draws that have the row")
    right.set_title("Each row as often as it should be", fontsize=11)
    at = shares.index(2.0)
    ours, uniform = (np.median(errors[at]) for errors in found.values())
    peer, peer_seconds = None, None
    if importlib.util.find_spec("dppy") is not None:
        peer, peer_seconds = "dppy FiniteDPP", _dppy_seconds(Q, 20)
    return StopResult(
        method="sample_dpp_finite",
        problem=f"10 x {counts[at]} of {n_rows} rows, {m} features",
        error=ours,
        seconds=seconds,
        peer=peer,
        peer_seconds=peer_seconds,
        sentence=(
            "Rows that repel each other are worth more labels; the error is what the residual on all rows "
            "exceeds that of the fit to all labels by, relative, median of "
            f"{repeats} (uniform rows: {uniform:.2f}, and with {counts[0]} rows "
            f"{np.median(found['uniform rows'][0]):.0f} in place of "
            f"{np.median(found['sample_dpp_finite'][0]):.1f}; near half of the table nothing is gained)."
        ),
        figure=figure,
    )


def _voltage(X):
    """Return the output voltage of a push-pull circuit for inputs between -1 and 1."""
    low = np.array([50.0, 25.0, 0.5, 1.2, 0.25, 50.0])
    high = np.array([150.0, 70.0, 3.0, 2.5, 1.2, 300.0])
    rb1, rb2, rf, rc1, rc2, gain = (low + 0.5 * (X + 1.0) * (high - low)).T
    base, stage = 12.0 * rb2 / (rb1 + rb2) + 0.74, gain * (rc2 + 9.0)
    return (base * stage + 11.35 * rf + 0.74 * rf * stage / rc1) / (stage + rf)


def _dppy_seconds(Q, draws):
    """Return the time of draws by DPPy."""
    from dppy.finite_dpps import FiniteDPP

    def draw():
        process = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(Q.shape[1]), Q))
        return [process.sample_exact(mode="GS", random_state=seed) for seed in range(draws)]

    return timed(draw)[1]
