"""
Growth that eigenvalues deny
============================

A disturbance that is carried along and amplified on its way: each eigenvalue says that it decays.
Functions of the matrix by its eigenvectors are lost to rounding; those of a matrix nearby are right.
"""

# %%
# A convection-diffusion operator
# -------------------------------
# On the interval from 0 to 1, with ``u = 0`` at both ends,
#
# .. math:: u_t = 0.01\, u_{xx} + u_x + 8 u.
#
# What is in the interval moves to the left with speed 1, leaves it after one unit of time, and has grown
# by a factor of up to ``exp(8)`` until then. Central differences on 100 points make it a matrix.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg

from spectralkit.nonnormal import (
    IllConditionedWarning,
    PseudospectrumDisplay,
    kreiss_constant,
    numerical_abscissa,
    perturb_then_diagonalize,
)

n, diffusion, growth = 100, 0.01, 8.0
h = 1 / (n + 1)
up, down = np.diag(np.ones(n - 1), 1), np.diag(np.ones(n - 1), -1)
A = diffusion * (up + down - 2 * np.eye(n)) / h**2 + (up - down) / (2 * h) + growth * np.eye(n)

# %%
# The exact eigenvalues are known, and all negative. Those of ``numpy.linalg.eig`` are near them, and so
# it looks as if nothing were wrong. Its eigenvectors have a condition number of 1e24.

a, b = diffusion / h**2 - 0.5 / h, diffusion / h**2 + 0.5 / h
exact = np.emath.sqrt(a * b) * 2 * np.cos(np.pi * np.arange(1, n + 1) * h) - 2 * diffusion / h**2 + growth
values, V = np.linalg.eig(A)
W = np.linalg.inv(V)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", IllConditionedWarning)
    result = perturb_then_diagonalize(A, rng=0)
print(f"largest real part: {exact.real.max():.2f} exact, {values.real.max():.2f} by eig")
print(f"condition number: {np.linalg.cond(V):.0e} of eig, {result.condition:.0e} after a perturbation")
print(f"backward error after the perturbation: {result.backward_error:.1e}")

# %%
# Transient growth
# ----------------
# The norm of ``exp(tA)``, by eigenvectors and by ``scipy.linalg.expm``. The Kreiss constant K, from the
# pseudospectra, says how much must be expected: the maximum is at least K. The numerical abscissa is the
# rate at which growth begins.

times = np.linspace(0, 2, 81)
step, power, reference = scipy.linalg.expm(times[1] * A), np.eye(n), []
for _ in times:
    reference.append(np.linalg.norm(power, 2))
    power = step @ power
by_eig = [np.linalg.norm((V * np.exp(t * values)) @ W, 2) for t in times]
ours = [np.linalg.norm(result.exponential(t), 2) for t in times]
K, rate = kreiss_constant(A), numerical_abscissa(A)
print(f"Kreiss constant {K:.0f}, largest norm {max(reference):.0f}, numerical abscissa {rate:.2f}")
off = np.abs(np.array(ours) / reference - 1)[times <= 1].max()
print(f"largest relative error up to t = 1, while it grows: {off:.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
display = PseudospectrumDisplay.from_matrix(A, bounds=(-110, 25, -70, 70))
display.plot(left, levels=10.0 ** np.arange(-10, 2))
left.set_title("pseudospectra", fontsize=11)
right.semilogy(times, by_eig, color="#D55E00", label="numpy.linalg.eig")
right.semilogy(times, reference, color="black", linewidth=3, alpha=0.35, label="scipy.linalg.expm")
right.semilogy(times, ours, "--", color="#0072B2", label="perturbed, then diagonalized")
decay = np.exp(exact.real.max() * times)
right.semilogy(times, decay, color="0.5", linewidth=1, label="eigenvalues alone")
right.axhline(K, color="#009E73", linestyle=":", label="Kreiss constant")
right.set(xlabel="t", ylabel="norm of exp(tA)", xlim=(0, 2), ylim=(1e-6, 1e12))
right.legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
right.grid(alpha=0.25)
right.spines[["top", "right"]].set_visible(False)

# %%
# What it costs
# -------------
# The result is exact for a matrix at the distance of its backward error. A smaller ε makes that smaller,
# until the condition number has grown so much that rounding takes over:

print("  eps   condition  backward error  error of exp(A)")
for eps in (1e-4, 1e-6, 1e-8, 1e-10, 1e-12):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        result = perturb_then_diagonalize(A, eps, rng=0)
    truth = scipy.linalg.expm(A)
    error = np.linalg.norm(result.exponential() - truth, 2) / np.linalg.norm(truth, 2)
    print(f"{eps:.0e}    {result.condition:.1e}         {result.backward_error:.1e}          {error:.1e}")
plt.show()
