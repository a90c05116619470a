"""
Learning a transform from few examples
======================================

An unknown linear map is applied to signals, and pairs of inputs and outputs are all that is known. Least
squares needs as many pairs as signals have entries. If the map is a butterfly, a quarter of that will do.
"""

# %%
# The Fourier transform, from pairs
# ---------------------------------
# Random signals of 32 entries and their Fourier transforms. ``butterfly_learn`` starts from random
# blocks, and here it knows the order of reversed bits. Least squares takes the matrix of least norm.
# Errors are those on 500 other signals. On the right the outputs have 5 per cent of noise.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.structured import Butterfly, butterfly_learn

n, seeds = 32, 3
options = {"permutation": "bitrev", "init": "random", "n_restarts": 1, "max_iter": 500, "tol": 1e-10}
counts = (4, 6, 8, 12, 16, 24, 31, 32, 40, 64, 96)
F = Butterfly.dft(n).to_dense() / np.sqrt(n)
test = np.random.default_rng(99).standard_normal((500, n))
truth = test @ F.T


def error(found):
    """Return the relative error on the signals of the test."""
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def both(m, noise, seed):
    """Return the errors of least squares and of a learned butterfly."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    Y = X @ F.T
    Y = Y + noise / np.sqrt(2) * (rng.standard_normal(Y.shape) + 1j * rng.standard_normal(Y.shape))
    dense = np.linalg.lstsq(X, Y, rcond=None)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too few pairs, or noise: descent creeps at the end
        learned = butterfly_learn((X, Y), rng=seed, **options)
    return error(test @ dense), error(learned.operator.matmul(test))


figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
for ax, noise in zip(axes, (0.0, 0.05), strict=True):
    errors = np.array([[both(m, noise, seed) for seed in range(seeds)] for m in counts])
    for column, (name, colour, marker) in enumerate(
        (("least squares", "#E69F00", "s"), ("butterfly_learn", "#0072B2", "o"))
    ):
        values = errors[:, :, column]
        middle = np.median(values, axis=1)
        repeated = np.repeat(counts, seeds)
        ax.semilogy(repeated, values.ravel(), marker, ms=4, color=colour, alpha=0.4, mew=0)
        ax.semilogy(counts, middle, "-" + marker, ms=6, color=colour, label=name)
        row = ", ".join(f"{m}: {value:.1e}" for m, value in zip(counts, middle, strict=True))
        print(f"noise {noise}, {name}: {row}")
    ax.axvline(n, color="0.6", linestyle=":", zorder=0)
    ax.set(xlabel=f"pairs of signals of {n} entries", xscale="log")
    ax.set_xticks((4, 8, 16, 32, 64, 96), ("4", "8", "16", "32", "64", "96"))
    ax.minorticks_off()
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title("exact outputs" if noise == 0.0 else f"{noise:.0%} of noise", fontsize=11)
axes[0].set_ylabel("relative error on other signals")
axes[0].legend(frameon=False, loc="lower left")

# %%
# A dense matrix of this size has 1024 numbers, and a butterfly 320, of which some are a matter of scale.
# Eight pairs are 256 equations, which are enough from a good start; with twelve pairs every start is
# good. Fewer do not determine the map, and what is learned is worse than nothing. With noise the smaller
# number of unknowns goes on paying.
#
# The order is learned as well
# ----------------------------
# Twelve pairs, and no order given: random starts behind each of eight orders are screened by a few steps
# of Adam, the best ones go on, and L-BFGS ends at rounding.

rng = np.random.default_rng(0)
X = rng.standard_normal((12, n))
history = []
result = butterfly_learn(
    (X, X @ F.T), init="random", rng=0, callback=lambda info: history.append(info.figure)
)
print(result.status)
found = result.operator.to_dense()
dense = np.linalg.lstsq(X, X @ F.T, rcond=None)[0].T
print(f"largest error of an entry: {np.abs(found - F).max():.1e}")

figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained", width_ratios=[1.5, 1, 1, 1])
first, *rest = axes
first.semilogy(history, color="#0072B2")
first.set(xlabel="step of L-BFGS", ylabel="relative residual", ylim=(1e-13, 1))
first.grid(alpha=0.25)
first.spines[["top", "right"]].set_visible(False)
for ax, (title, M) in zip(
    rest, {"least squares": dense, "learned": found, "Fourier transform": F}.items(), strict=True
):
    ax.imshow(M.real, cmap="RdBu_r", vmin=-1 / np.sqrt(n), vmax=1 / np.sqrt(n), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=11)
plt.show()
