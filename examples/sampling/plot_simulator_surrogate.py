"""
A surrogate of a simulator from few runs
========================================

A model of a borehole with eight uncertain inputs stands for a simulator each run of which is costly. A
polynomial fitted to some fifty runs replaces it. Where to run it matters most when runs are scarce.
"""

# %%
# The simulator
# -------------
# Water that flows through a borehole, in cubic metres a year: a common test function. Its inputs are the
# radius of the borehole and of its influence, transmissivities and heads of the upper and the lower aquifer,
# length and conductivity of the borehole, each uniform in its range. The basis lives on [-1, 1], so that is
# what the function takes, and the first thing it does is to map its inputs to the ranges.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import qmc, sobol_indices, uniform

from spectralkit.sampling import (
    OptimalWeightedLeastSquares,
    TensorPolynomialBasis,
    christoffel_density,
    greedy_subsample,
    sample_dpp,
    weighted_lstsq,
)

names = ["radius", "influence", "upper T", "upper head", "lower T", "lower head", "length", "conductivity"]
low = np.array([0.05, 100, 63070, 990, 63.1, 700, 1120, 9855])
high = np.array([0.15, 50000, 115600, 1110, 116, 820, 1680, 12045])


def flow(X):
    """Return the flow for inputs between -1 and 1."""
    radius, influence, upper, upper_head, lower, lower_head, length, conductivity = (
        low + (X + 1) / 2 * (high - low)
    ).T
    reach = np.log(influence / radius)
    drop = 2 * length * upper / (reach * radius**2 * conductivity) + upper / lower
    return 2 * np.pi * upper * (upper_head - lower_head) / (reach * (1 + drop))


# %%
# Errors for equal numbers of runs
# --------------------------------
# Polynomials of total degree 2 in eight variables are 45 functions. The errors are relative ones on 4096
# points that no fit has seen: root mean square over the standard deviation of the flow. Designs that are not
# ours are fitted by ordinary least squares.
#
# "Conditioned" draws until the smallest eigenvalue of the Gram matrix is 0.3, five times at the most, and
# takes the best draw. "Greedy" drops points of four draws down to the number of runs, as long as the
# eigenvalue stays above 0.02. None of that runs the simulator.

basis = TensorPolynomialBasis("legendre", 2, n_dims=8)
m = basis.n_features
test = 2 * qmc.Sobol(8, rng=2024).random(4096) - 1
truth, Phi_test = flow(test), basis.evaluate(test)


def error(coef):
    """Return the relative error on the points of the test."""
    return np.sqrt(np.mean((truth - Phi_test @ coef) ** 2)) / truth.std()


def ours(n, seed, **options):
    """Return the number of runs and the error of the estimator."""
    surrogate = OptimalWeightedLeastSquares(basis, n_samples=n, random_state=seed, **options)
    return n, error(surrogate.fit_function(flow).coef_)


def conditioned(n, seed):
    """Return the same for one that draws again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with few points 0.3 is out of reach
        return ours(n, seed, stability=0.3, max_trials=5)


def greedy(n, seed):
    """Return the same for what greedy removal leaves."""
    X = sample_dpp(basis, n_repeats=4, rng=seed).reshape(-1, 8)
    Phi = basis.evaluate(X)
    weights = 1 / christoffel_density(Phi)
    kept = greedy_subsample(Phi, weights, n_min=n, stability=0.02)
    return len(kept), error(weighted_lstsq(Phi[kept], flow(X[kept]), weights[kept]))


def ordinary(X):
    """Return the same for ordinary least squares on points of the unit cube."""
    X = 2 * X - 1
    return len(X), error(weighted_lstsq(basis.evaluate(X), flow(X), np.ones(len(X))))


designs = {
    "Monte Carlo": lambda n, seed: ordinary(np.random.default_rng(seed).random((n, 8))),
    "Latin hypercube": lambda n, seed: ordinary(qmc.LatinHypercube(8, rng=seed).random(n)),
    "Sobol points": lambda n, seed: ordinary(qmc.Sobol(8, rng=seed).random(256)[:n]),
    "DPP": ours,
    "DPP, conditioned": conditioned,
    "DPP, greedy": greedy,
}
colours = ["0.5", "#E69F00", "#CC79A7", "#56B4E9", "#009E73", "#0072B2"]
styles = ["s:", "^:", "v:", "o-", "D-", "P-"]
counts = [45, 50, 56, 90, 135]
runs = {name: [[design(n, seed) for seed in range(20)] for n in counts] for name, design in designs.items()}

# %%
# Left medians, right the worst of 20 repeats. The dotted line is the error of the best polynomial.

best = error(np.linalg.lstsq(Phi_test, truth, rcond=None)[0])
print(f"error of the best polynomial {best:.3f}")
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained", sharey=True)
print(f"{'runs':>17}" + "".join(f"{n:>14}" for n in counts) + "   median, worst")
for (name, results), colour, style in zip(runs.items(), colours, styles, strict=True):
    used, errors = np.moveaxis(np.array(results), -1, 0)
    for ax, figures in zip(axes, (np.median(errors, axis=1), errors.max(axis=1)), strict=True):
        ax.loglog(used.mean(axis=1), figures, style, ms=5, color=colour, label=name)
    cells = (f"{np.median(row):.3f}, {row.max():.3f}" for row in errors)
    print(f"{name:>17}" + "".join(f"{cell:>14}" for cell in cells))
for ax, title in zip(axes, ("median", "worst of 20"), strict=True):
    ax.axhline(best, color="black", linestyle=":", linewidth=0.8)
    ax.set(xlabel="runs of the simulator", title=title, ylim=(0.03, 3))
    ax.set_xticks(counts, map(str, counts))
    ax.minorticks_off()
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("relative error")
axes[0].legend(frameon=False)

# %%
# With as many runs as functions the design decides. With a few more, plain draws are about as good as a
# Latin hypercube or Sobol points in the median, because the degree is low and the dimension high;
# conditioning and greedy removal, which look at the Gram matrix before anything is run, are ahead in the
# median and in the worst case. At twice as many runs little is left of the differences.
#
# What drives the flow
# --------------------
# The coefficients of a fit with 56 runs give the Sobol indices at no further cost. The black marks are those
# of 4096 times ten runs of the simulator, by SciPy.

surrogate = OptimalWeightedLeastSquares(basis, n_samples=56, stability=0.02, random_state=0).fit_function(
    flow
)
moments = surrogate.conditional_moments()
reference = sobol_indices(
    func=lambda inputs: flow(inputs.T), n=4096, dists=[uniform(-1, 2)] * 8, rng=np.random.default_rng(0)
)
print(f"mean {moments.mean:.2f}, of the test {truth.mean():.2f}")
print(f"standard deviation {np.sqrt(moments.variance):.2f}, of the test {truth.std():.2f}")
missed = np.abs(moments.total_sobol - reference.total_order).max()
print(f"the total indices differ from those of SciPy by at most {missed:.3f}")

figure, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
places = np.arange(8)
ax.bar(places - 0.2, moments.sobol, 0.4, color="#0072B2", label="alone (first order)")
ax.bar(places + 0.2, moments.total_sobol, 0.4, color="#56B4E9", label="with others (total)")
ax.plot(places - 0.2, reference.first_order, "_", ms=14, color="black", label=f"SciPy, {10 * 4096} runs")
ax.plot(places + 0.2, reference.total_order, "_", ms=14, color="black")
ax.set_xticks(places, names, rotation=25)
ax.set(ylabel="share of the variance")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
