"""
Waves in the plane
==================

An equation of Allen and Cahn with three scales along each side, and a wave that is carried along: errors of
a solver that knows the frequencies, next to finite differences on the same points.
"""

# %%
# A cubic equation
# ----------------
# ``u_xx + u_yy + u (u² - 1) = f`` on the unit square, for ``u = g(x) g(y)`` with
# ``g(t) = sin t + 0.1 sin 20t + cos 100t``. The cubic has lines of its own, up to 300, so that frequencies
# cannot be read off the source; those of the boundary data are the solution's. With the solution that they
# lead to, the source is corrected, and read again.

import time

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse
from scipy.sparse.linalg import spsolve

from spectralkit.gaussian_process import SpectralMixturePDE


def g(t):
    """Return the factor, and its second derivative."""
    return (
        np.sin(t) + 0.1 * np.sin(20 * t) + np.cos(100 * t),
        -np.sin(t) - 40 * np.sin(20 * t) - 1e4 * np.cos(100 * t),
    )


n = 150
x = np.linspace(0.0, 1.0, n)
(p, p_xx), h = g(x), x[1]
u = np.outer(p, p)
source = np.outer(p_xx, p) + np.outer(p, p_xx) + u * (u * u - 1)
boundary = u.copy()
boundary[1:-1, 1:-1] = np.nan

start = time.process_time()
solver = SpectralMixturePDE("allen_cahn").fit((x, x), source, boundary)
print(f"{solver.n_iter_} Newton steps in {time.process_time() - start:.2f} s of CPU time")
print("frequencies", *(omega.round(6) for omega in solver.frequencies_))

# %%
# The peer solves the equation of finite differences, by Newton's method as well. Between its points it has no
# values; the expansion has, with all derivatives.

inside = np.zeros((n, n), dtype=bool)
inside[1:-1, 1:-1] = True
D = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) / h**2
eye = scipy.sparse.eye_array(n)
A = (scipy.sparse.kron(D, eye) + scipy.sparse.kron(eye, D)).tocsr()[inside.ravel()]
right = source[inside] - A[:, ~inside.ravel()] @ u[~inside]
A = A[:, inside.ravel()].tocsc()
differences = u.copy()
v = spsolve(A, right)
for _ in range(6):
    slope = A + scipy.sparse.diags_array(3 * v * v - 1)
    v = v - spsolve(slope.tocsc(), A @ v + v * (v * v - 1) - right)
differences[inside] = v

fine = np.linspace(0.0, 1.0, 400)
exact = np.outer(g(fine)[0], g(fine)[0])
found = solver.predict((fine, fine))


def error_maps(solution, by_differences, ours, titles):
    """Draw a solution, and two maps of errors on their own scales."""
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.6), layout="constrained")
    largest = np.abs(solution).max()
    picture = axes[0].imshow(
        solution.T, cmap="RdBu_r", vmin=-largest, vmax=largest, origin="lower", extent=(0, 1, 0, 1)
    )
    figure.colorbar(picture, ax=axes[0], shrink=0.85, pad=0.03)
    for ax, error in zip(axes[1:], (by_differences, ours), strict=True):
        top = np.abs(error).max()
        picture = ax.imshow(error.T, cmap="PuOr_r", vmin=-top, vmax=top, origin="lower", extent=(0, 1, 0, 1))
        figure.colorbar(picture, ax=ax, shrink=0.85, pad=0.03)
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=11)
        ax.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])


titles = "solution", "error of finite differences", "error of SpectralMixturePDE"
error_maps(exact, differences - u, found - exact, titles)
print(f"relative error {np.linalg.norm(found - exact) / np.linalg.norm(exact):.1e}")
print(f"finite differences {np.linalg.norm(differences - u) / np.linalg.norm(u):.1e}")

# %%
# A wave that is carried along
# ----------------------------
# ``200 u_x + u_y = 0`` is solved by ``sin(x - 200y)``. The source is zero and says nothing; the values on
# the four sides have the frequencies 1 and 200. With fewer points than half a wave has along y nothing
# could be said: 150 points hold frequencies up to 468.

wave = np.sin(x[:, None] - 200.0 * x)
boundary = wave.copy()
boundary[1:-1, 1:-1] = np.nan
solver = SpectralMixturePDE("advection", beta=200.0).fit((x, x), np.zeros((n, n)), boundary)
print("frequencies", *(omega.round(6) for omega in solver.frequencies_))

# %%
# The peer is the box scheme: second order, stable for every step, and it keeps amplitudes. Its error is one
# of the phase, and grows away from the sides where the wave comes in.

box = boundary.copy()
a, b = 200.0 / (2 * h), 1.0 / (2 * h)
for i in range(n - 1):
    for j in range(n - 1):
        box[i + 1, j + 1] = ((a - b) * (box[i, j + 1] - box[i + 1, j]) + (a + b) * box[i, j]) / (a + b)
exact = np.sin(fine[:, None] - 200.0 * fine)
found = solver.predict((fine, fine))
error_maps(exact, box - wave, found - exact, ("solution", "error of the box scheme", titles[2]))
print(f"relative error {np.linalg.norm(found - exact) / np.linalg.norm(exact):.1e}")
print(f"box scheme {np.linalg.norm(box - wave) / np.linalg.norm(wave):.1e}")
plt.show()
