"""
A source with noise
===================

With noise on the source the solution is uncertain, and ``init="evidence"`` says how much: weights of a
spectral mixture are fitted by the marginal likelihood, and the posterior gives a mean and a band.
"""

# %%
# Bands
# -----
# ``u'' = f`` on 100 points. The deviation of the source is ten times that of its noise, and nobody says
# how large the noise is: it is estimated along with the weights. Values at both ends are exact.

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.gaussian_process import SpectralMixturePDE

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
n, points = 100, np.linspace(0.0, 1.0, 400)
x = np.linspace(0.0, 1.0, n)


def modulated(x):
    """Return sin 6x cos 30x, and its second derivative."""
    u = np.sin(6 * x) * np.cos(30 * x)
    return u, -936.0 * u - 360.0 * np.cos(6 * x) * np.sin(30 * x)


def bump(x):
    """Return a bump, and its second derivative."""
    u = np.exp(-200.0 * (x - 0.37) ** 2)
    return u, (160000.0 * (x - 0.37) ** 2 - 400.0) * u


def three_lines(x):
    """Return sin x + 0.1 sin 20x + 0.05 sin 100x, and its second derivative."""
    u = np.sin(x) + 0.1 * np.sin(20 * x) + 0.05 * np.sin(100 * x)
    return u, -np.sin(x) - 40.0 * np.sin(20 * x) - 500.0 * np.sin(100 * x)


def solve(equation, ratio, seed):
    """Return the noisy source, and the solver fitted to it."""
    u, source = equation(x)
    noise = source.std() / ratio * np.random.default_rng([seed, int(ratio)]).standard_normal(n)
    boundary = np.full(n, np.nan)
    boundary[[0, -1]] = u[[0, -1]]
    return source + noise, SpectralMixturePDE(init="evidence").fit((x,), source + noise, boundary)


figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained")
equations = {"modulated wave": modulated, "bump": bump, "three lines": three_lines}
for (upper, lower), (title, equation) in zip(axes.T, equations.items(), strict=True):
    noisy, solver = solve(equation, 10.0, 1)
    mean, std = solver.predict((points,), return_std=True)
    exact, exact_source = equation(points)
    upper.plot(points, exact_source, color="black", linewidth=0.9, label="without noise")
    upper.plot(x, noisy, ".", color=ORANGE, ms=5, label="given")
    upper.set_title(f"{title}: source", fontsize=11)
    band = {"alpha": 0.3, "color": BLUE, "linewidth": 0}
    lower.fill_between(points, mean - 1.96 * std, mean + 1.96 * std, label="band of 95 %", **band)
    lower.plot(points, exact, color="black", linewidth=0.9, label="exact")
    lower.plot(points, mean, "--", color=BLUE, linewidth=1.3, label="mean")
    lower.set_title(f"{title}: solution", fontsize=11)
    inside = np.mean(np.abs(mean - exact)[1:-1] <= 1.96 * std[1:-1])
    drawn = np.sqrt(np.mean((noisy - equation(x)[1]) ** 2))
    print(
        f"{title}: {inside:.0%} of the points in the band, noise {solver.noise_var_**0.5:.3g} estimated, "
        f"{drawn:.3g} drawn"
    )
axes[0, 1].legend(frameon=False, fontsize=9, loc="lower right")
axes[1, 1].legend(frameon=False, fontsize=9, loc="upper right")
for ax in axes.flat:
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Two of the bands are wide, and all are smooth. Two integrations damp what oscillates, and let pass what is
# slow: the error of a solution is a slow curve, and a draw of the noise is either inside its band nearly
# everywhere or outside over a long stretch. In the third column the largest part of the solution, ``sin x``,
# is less than a fortieth of the noise in the source. No method finds it there; the values at the ends and
# the band are all there is.
#
# How often bands hold
# --------------------
# So a share of points in a band means little for one draw. Over many draws of the noise it should be 95 %.
# The error falls in proportion to the noise, and the band along with it. Six draws tell a mean share to
# within a few per cent only; the benchmarks have more of them, and other solutions.

ratios, draws = (10, 100, 1000), 6
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for (name, equation), colour in zip(
    {"modulated wave": modulated, "bump": bump}.items(), (BLUE, GREEN), strict=True
):
    exact = equation(points)[0]
    shares, errors, widths = np.empty((3, len(ratios), draws))
    for i, ratio in enumerate(ratios):
        for seed in range(draws):
            mean, std = solve(equation, ratio, seed)[1].predict((points,), return_std=True)
            shares[i, seed] = np.mean(np.abs(mean - exact)[1:-1] <= 1.96 * std[1:-1])
            errors[i, seed] = np.sqrt(np.mean((mean - exact) ** 2))
            widths[i, seed] = np.sqrt(np.mean(std**2))
    left.loglog(ratios, np.median(errors, axis=1), "o-", color=colour, label=f"{name}: error")
    left.loglog(
        ratios, np.median(widths, axis=1), "s--", color=colour, mfc="white", label=f"{name}: deviation"
    )
    jitter = 0.94 if colour == BLUE else 1.06
    right.semilogx(np.repeat(ratios, draws) * jitter, shares.ravel(), "o", color=colour, alpha=0.25, mew=0)
    right.semilogx(
        np.array(ratios) * jitter, shares.mean(axis=1), "_", ms=22, mew=3, color=colour, label=f"{name}: mean"
    )
    print(name, *(f"{ratio}: {share:.2f}" for ratio, share in zip(ratios, shares.mean(axis=1), strict=True)))
left.set(xlabel="deviation of the source over that of the noise", ylabel="root mean square")
right.set(xlabel="deviation of the source over that of the noise", ylabel="share of points in the band")
right.axhline(0.95, color="0.4", linestyle=":")
right.set_ylim(0, 1.05)
for ax in (left, right):
    ax.set_xticks(ratios, map(str, ratios))
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=9, loc="lower left")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
