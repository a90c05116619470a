"""
Points that repel each other
============================

Least squares is as stable as the Gram matrix of the basis at the points: all of its eigenvalues should be
near one. Four ways to draw points for the same basis, and what the eigenvalues are.
"""

# %%
# Four point sets
# ---------------
# Polynomials of total degree 8 in two variables, orthonormal for the uniform distribution on the square: 45
# functions. Each set has 90 points. The first has the uniform distribution itself; the others have the
# density K(x, x) / m of the optimal measure, which favours edges and corners, one point at a time. What
# differs among those three is which points repel each other: none, one half of the set, or those of each
# half, which has a colour of its own.

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.sampling import (
    TensorPolynomialBasis,
    christoffel_density,
    empirical_gram,
    sample_christoffel,
    sample_dpp,
    sample_volume,
)

basis = TensorPolynomialBasis("legendre", 8, n_dims=2)
m, n = basis.n_features, 2 * basis.n_features
samplers = {
    "uniform": lambda seed: basis.sample_measure(n, seed),
    "iid, optimal density": lambda seed: sample_christoffel(basis, n, rng=seed),
    "volume": lambda seed: sample_volume(basis, n, rng=seed),
    "DPP, twice": lambda seed: sample_dpp(basis, n_repeats=2, rng=seed).reshape(n, 2),
}
colours = ["#CC79A7", "#E69F00", "#009E73", "#0072B2"]


def spectrum(name, X):
    """Return the eigenvalues of the Gram matrix, weighted by the inverse of the density."""
    Phi = basis.evaluate(X)
    weights = np.ones(len(X)) if name == "uniform" else 1 / christoffel_density(Phi)
    return np.linalg.eigvalsh(empirical_gram(Phi, weights))


# %%
# The eigenvalues below are those of 60 draws of each kind: the line is the median, the band has nine draws
# in ten. The dots are those of the draw above.

grid = np.linspace(-1, 1, 201)
square = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
density = christoffel_density(basis.evaluate(square)).reshape(201, 201)

figure, axes = plt.subplots(
    2, 4, figsize=(11, 5.4), layout="constrained", gridspec_kw={"height_ratios": (3, 2)}, sharey="row"
)
for (name, sampler), colour, (top, bottom) in zip(samplers.items(), colours, axes.T, strict=True):
    X = sampler(0)
    if name != "uniform":
        top.contourf(grid, grid, np.log(density), 12, cmap="Greys", alpha=0.35)
    top.scatter(*X[:m].T, s=14, color=colour)
    top.scatter(*X[m:].T, s=14, color="black" if name == "DPP, twice" else colour)
    top.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlim=(-1.04, 1.04), ylim=(-1.04, 1.04), aspect="equal")
    top.set_title(name, fontsize=11)
    spectra = np.array([spectrum(name, sampler(1 + seed)) for seed in range(60)])
    low, middle, high = np.maximum(np.quantile(spectra, [0.05, 0.5, 0.95], axis=0), 1e-6)
    bottom.fill_between(range(1, m + 1), low, high, color=colour, alpha=0.25, linewidth=0)
    bottom.semilogy(range(1, m + 1), middle, color=colour)
    bottom.semilogy(range(1, m + 1), np.maximum(spectrum(name, X), 1e-6), ".", ms=3, color="black")
    bottom.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    bottom.set(xlabel="eigenvalue, from the smallest", ylim=(1e-4, 20))
    bottom.grid(alpha=0.25)
    bottom.spines[["top", "right"]].set_visible(False)
    print(f"{name:>20}: smallest {middle[0]:.3f}, largest {middle[-1]:.2f} (medians)")
axes[1, 0].set_ylabel("eigenvalue of the Gram matrix")

# %%
# Any number of points
# --------------------
# The determinantal process has as many points as the basis has functions. More come from more draws, the
# last of which may be cut. The smallest eigenvalue, median and nine draws in ten, against the number of
# points:

counts = np.array([1, 1.25, 1.5, 2, 3, 4])
several = {
    "iid, optimal density": lambda count, seed: sample_christoffel(basis, count, rng=seed),
    "volume": lambda count, seed: sample_volume(basis, count, rng=seed),
    "DPP, repeated": lambda count, seed: sample_dpp(basis, n_repeats=-(-count // m), rng=seed).reshape(-1, 2)[
        :count
    ],
}
figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for (name, sampler), colour, marker in zip(several.items(), colours[1:], "s^o", strict=True):
    smallest = [[spectrum(name, sampler(int(share * m), seed))[0] for seed in range(60)] for share in counts]
    low, middle, high = np.maximum(np.quantile(smallest, [0.05, 0.5, 0.95], axis=1), 1e-6)
    ax.fill_between(counts, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.semilogy(counts, middle, color=colour, marker=marker, label=name)
    print(f"{name:>20}: " + ", ".join(f"{value:.3f}" for value in middle))
ax.set(xlabel="points for each function, n / m", ylabel="smallest eigenvalue", ylim=(1e-4, 1))
ax.grid(alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
