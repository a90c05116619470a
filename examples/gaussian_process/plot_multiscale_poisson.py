"""
A solution on three scales
==========================

Of Poisson's equation with a constant coefficient the frequencies of the solution are those of the source.
They are read off the samples, and what is left is a small linear problem.
"""

# %%
# A source that hides the largest part
# ------------------------------------
# The solution is ``u = sin x + 0.1 sin 20x + 0.05 sin 100x``, and ``u'' = f`` is given on 300 points with
# the values at both ends. Differentiated twice, a line of frequency ω grows by ω²: the largest part of the
# solution is 1 of 500 in the source.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import solve_banded
from sklearn.exceptions import ConvergenceWarning

from spectralkit.gaussian_process import SpectralMixturePDE, esprit

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
lines = ((1.0, 1.0), (0.1, 20.0), (0.05, 100.0))


def three_lines(x):
    """Return the solution and its source."""
    u = sum(a * np.sin(w * x) for a, w in lines)
    return u, sum(-a * w * w * np.sin(w * x) for a, w in lines)


def solve(equation, n):
    """Return the fitted solver on n points, and the solution by finite differences there."""
    x = np.linspace(0.0, 1.0, n)
    u, source = equation(x)
    boundary = np.full(n, np.nan)
    boundary[[0, -1]] = u[[0, -1]]
    solver = SpectralMixturePDE().fit((x,), source, boundary)

    right = (x[1] - x[0]) ** 2 * source[1:-1]
    right[[0, -1]] -= u[[0, -1]]
    bands = np.repeat([[1.0], [-2.0], [1.0]], n - 2, axis=1)
    differences = np.concatenate([u[:1], solve_banded((1, 1), bands, right), u[-1:]])
    return x, solver, differences


start = time.process_time()
x, solver, differences = solve(three_lines, 300)
print(f"{solver.method_}, frequencies {solver.frequencies_[0].round(9)}, {solver.coef_.size} functions")
print(f"{1e3 * (time.process_time() - start):.0f} ms of CPU time, residual {solver.residual_norm_:.1e}")

# %%
# Each line is two singular values of a Hankel matrix of the samples, and behind them is a gap down to
# rounding: :func:`~spectralkit.gaussian_process.esprit` returns both. A Fourier transform of the same
# samples has a resolution of 2π, and the leakage of the strong line covers the weak one.

u, source = three_lines(x)
found = esprit(source, x[1])
points = np.linspace(0.0, 1.0, 2000)

figure, axes = plt.subplot_mosaic("AAABBB;CCDDEE", figsize=(11.5, 6.6), layout="constrained")
axes["A"].plot(points, solver.predict((points,)), color=BLUE, linewidth=1.3)
axes["A"].set_title("solution", fontsize=11)
axes["B"].plot(x, source, color=ORANGE, linewidth=1.0)
axes["B"].set_title("source", fontsize=11)

axes["C"].semilogy(
    np.arange(1, 16), found.singular_values[:15] / found.singular_values[0], "o", ms=5, color=BLUE
)
axes["C"].set(xlabel="number", ylim=(1e-17, 10))
axes["C"].set_title("singular values", fontsize=11)

spectrum = np.abs(np.fft.rfft(source)) / len(x) * 2
omega = 2 * np.pi * np.arange(len(spectrum)) / (len(x) * x[1])
sizes = [a * w * w for a, w in lines]
axes["D"].semilogy(omega[1:], spectrum[1:], ".-", color="0.6", label="Fourier transform")
axes["D"].semilogy(found.frequencies, sizes, "o", ms=7, color=BLUE, label="found, and true sizes")
axes["D"].vlines(found.frequencies, 0.1, sizes, color=BLUE, linewidth=1.2)
axes["D"].set(xlabel="frequency", ylim=(0.3, 2e4), xlim=(-5, 180))
axes["D"].legend(frameon=False, fontsize=9, loc="upper left")
axes["D"].set_title("lines of the source", fontsize=11)

errors = {
    "finite differences": (x, differences - u, ORANGE),
    "SpectralMixturePDE": (points, solver.predict((points,)) - three_lines(points)[0], BLUE),
}
for name, (where, error, colour) in errors.items():
    axes["E"].semilogy(where, np.abs(error) + 1e-17, color=colour, linewidth=1.0, label=name)
    print(f"{name}: largest error {np.abs(error).max():.1e}")
axes["E"].set(ylim=(1e-17, 10), xlabel="x")
axes["E"].legend(frameon=False, fontsize=9, loc="upper left")
axes["E"].set_title("errors", fontsize=11)
for ax in axes.values():
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# A solution without lines
# ------------------------
# The frequency of ``sin(40x + 60x²)`` rises from 40 to 160, and no finite sum of lines is equal to it.
# Lines leave a residual, and the solver falls back to a Fourier extension by itself: the attribute
# ``method_`` says so. As soon as the points resolve the chirp, errors fall faster than any power of their
# distance. Too few of them leave a residual, of which a warning tells: such points are hollow.


def chirp(x):
    """Return the solution and its source."""
    phase, rate = 40.0 * x + 60.0 * x * x, 40.0 + 120.0 * x
    return np.sin(phase), 120.0 * np.cos(phase) - rate * rate * np.sin(phase)


sizes = np.array([80, 110, 150, 200, 280, 400, 560, 800])
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
for ax, (title, equation) in zip(axes, {"three lines": three_lines, "chirp": chirp}.items(), strict=True):
    ours, theirs, methods, warned = [], [], [], []
    exact = equation(points)[0]
    for n in sizes:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            x, solver, differences = solve(equation, n)
        warned.append(bool(caught))
        ours.append(-solver.score((points,), exact))
        theirs.append(np.linalg.norm(differences - equation(x)[0]) / np.linalg.norm(equation(x)[0]))
        methods.append(solver.method_)
    ax.loglog(sizes, theirs, "s--", color=ORANGE, label="finite differences, second order")
    ax.loglog(sizes, ours, "-", color="0.75", zorder=1)
    for method, colour in (("esprit", BLUE), ("frame", GREEN)):
        chosen = np.array(methods) == method
        if chosen.any():
            hollow = chosen & np.array(warned)
            ax.loglog(sizes[hollow], np.array(ours)[hollow], "o", color=colour, mfc="white", zorder=3)
            ax.loglog(sizes[chosen], np.array(ours)[chosen], "o", color=colour, label=f'method_ "{method}"')
    ax.set(xlabel="points", ylim=(1e-16, 1e3))
    ax.set_xticks(sizes, map(str, sizes))
    ax.minorticks_off()
    ax.set_title(title, fontsize=11)
    ax.legend(frameon=False, fontsize=9)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("relative error")
plt.show()
