"""
A frequency that a diagonal model cannot stand
==============================================

A state-space model remembers a row of a photograph in 64 numbers. Its eigenvectors are lost to rounding.
Of two diagonal models in its place one resonates at a frequency that it does not notice, and one is right.
"""

# %%
# Gain by frequency
# -----------------
# HiPPO-LegS compresses the past of its input to coefficients of Legendre polynomials. Its matrix cannot
# be diagonalized in practice, so S4D takes the normal part of it. At each single frequency the transfer
# function of that converges to the right one as the number of states grows; its largest error does not,
# but grows like 2n/π. It is at the last eigenvalue, ``|Im λ| = 1303`` for 64 states. A matrix nearby has
# no such peak.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
from sklearn.datasets import load_sample_image

from spectralkit.nonnormal import IllConditionedWarning, perturb_then_diagonalize
from spectralkit.statespace import diagonal_init, diagonal_scan, discretize, hippo, legs_transfer_function

n = 64
A, B = hippo("legs", n)
s4d = diagonal_init("legs", n)
colours = {
    "exact": "black",
    "S4D": "#E69F00",
    "perturbed, ε = 0.1": "#CC79A7",
    "perturbed, auto": "#0072B2",
}


def perturbed(eps):
    """Return eigenvalues, input and basis of a matrix nearby, one of each conjugate pair, and weights."""
    result = perturb_then_diagonalize(A, eps, rng=0)
    kept = result.eigenvalues.imag >= 0
    weight = np.where(result.eigenvalues.imag[kept] > 0, 1.0, 0.5)
    return (
        result.eigenvalues[kept],
        (result.inverse_eigenvectors @ B)[kept],
        result.eigenvectors[:, kept],
        weight,
    )


models = {"S4D": (s4d.A, s4d.B, s4d.basis, s4d.weight)}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", IllConditionedWarning)
    models |= {"perturbed, ε = 0.1": perturbed(0.1), "perturbed, auto": perturbed("auto")}


def transfer(values, b, basis, weight, omega):
    """Return the transfer function to all states on the imaginary axis."""
    s = 1j * omega[:, None]
    pairs = (values, b, basis), (values.conj(), b.conj(), basis.conj())
    return sum((weight * input / (s - poles)) @ vectors.T for poles, input, vectors in pairs)


last = s4d.A.imag.max()
omega = np.sort(np.concatenate([np.logspace(-1, 4.5, 4000), last + np.linspace(-20, 20, 2001)]))
exact = legs_transfer_function(n, 1j * omega)

figure, ax = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
for name, model in models.items():
    error = np.linalg.norm(transfer(*model, omega) - exact, axis=1)
    ax.loglog(omega, error, color=colours[name], linewidth=1.1, label=f"error of {name}")
    print(f"{name:>20}: largest error {error.max():.1e}, at ω = {omega[error.argmax()]:.4g}")
ax.loglog(omega, np.linalg.norm(exact, axis=1), color="black", label="transfer function itself")
ax.set(xlabel="ω", ylabel="2-norm over the states", xlim=(0.1, 3e4), ylim=(1e-9, 1e3))
ax.legend(frameon=False, ncols=2, loc="upper left", fontsize=9)
ax.grid(alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)

# %%
# The past of a photograph
# ------------------------
# The input is one row of a photograph, 640 pixels in 5 units of time, the last one now. From the states
# the past is read off: ``u(T - s)`` is about the sum of ``x_k p_k(s)``, where ``p_k(s) = sqrt(2k + 1)
# P_k(2 exp(-s) - 1)``. Then the same with a Fourier mode added, at the frequency 1303 and with 2 % of the
# range of the pixels, as the recurrence of the model would have it. The reference is the dense system.

row = load_sample_image("china.jpg")[250].mean(axis=1) / 255
row = row - row.mean()
steps = 16 * len(row)
dt = 5 / steps
signal = np.repeat(row, 16)
mode = 0.02 * np.sin(last * dt * np.arange(steps))
decay = np.linspace(-1, 1, 801)[1:]
s = -np.log((decay + 1) / 2)
polynomials = np.polynomial.legendre.legvander(decay, n - 1) * np.sqrt(2 * np.arange(n) + 1)


def state_of(model, u):
    """Return the full state at the end of the input."""
    values, b, basis, weight = model
    A_bar, B_bar = discretize(values, b, dt)
    state = diagonal_scan(A_bar, B_bar, np.ones_like(values), u).state
    return 2 * (basis @ (weight * state)).real


A_bar = scipy.linalg.expm(A * dt)
B_bar = np.linalg.solve(A, (A_bar - np.eye(n)) @ B)


def dense_state(u):
    """Return the same by the dense recurrence."""
    x = np.zeros(n)
    for value in u:
        x = A_bar @ x + B_bar * value
    return x


figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharey=True)
inputs = ("as it is", signal), ("with 2 % of a Fourier mode", signal + mode)
for ax, (title, u) in zip(axes, inputs, strict=True):
    reference = dense_state(u)
    ax.plot(dt * np.arange(steps)[::-1], signal, color="0.8", linewidth=1, label="row of pixels")
    for name in ("S4D", "perturbed, auto"):
        state = state_of(models[name], u)
        ax.plot(s, polynomials @ state, color=colours[name], linewidth=1.2, label=name)
        print(f"{title}, {name}: error of the states {np.linalg.norm(state - reference):.1e}")
    ax.plot(s, polynomials @ reference, ":", color="black", linewidth=1.5, label="dense system")
    print(f"{title}: norm of the states {np.linalg.norm(reference):.2f}")
    ax.set(xlabel="time ago", xlim=(2.5, 0), ylim=(-1.5, 1.5), title=title)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("brightness")
axes[0].legend(frameon=False, loc="upper left", fontsize=9)
plt.show()
