"""
Right at each frequency, and wrong at one
=========================================

HiPPO-LegS remembers the past of a signal, and cannot be diagonalized in double precision. S4D takes a
matrix that can in its place. With more states its transfer function comes closer to the right one at
each frequency, and has a higher and higher peak elsewhere. A matrix nearby has no such peak.
"""

# %%
# Gains
# -----
# The gain at a frequency ω is the norm of the transfer function to all states. For LegS there is a
# closed form; for diagonal systems it is a sum over poles, ``cauchy_kernel``, with a row of residues
# for each state.

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.statespace import (
    cauchy_kernel,
    diagonal_init,
    diagonal_scan,
    discretize,
    legs_kernel,
    legs_transfer_function,
)

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "0.55"


def transfer(init, omega):
    """Return the transfer function of a diagonal system to its full state, (n, frequencies)."""
    return cauchy_kernel(init.basis * (init.weight * init.B), omega, init.A)


def frequencies(n):
    """Return points of the axis, dense around the last eigenvalue of S4D."""
    last = diagonal_init("legs", n).A.imag.max()
    return np.sort(np.concatenate([np.logspace(-2, 6, 1500), last + np.linspace(-4, 4, 401), [1.0]]))


sizes = [16, 32, 64, 128, 256]
gains, errors = {}, {"S4D, largest": [], "S4D, at ω = 1": [], "perturbed, largest": []}
for n in sizes:
    omega = frequencies(n)
    exact = legs_transfer_function(n, 1j * omega).T
    s4d, ptd = (transfer(diagonal_init(kind, n, rng=0), omega) for kind in ("legs", "ptd"))
    gains[n] = omega, *(np.linalg.norm(part, axis=0) for part in (exact, s4d, ptd))
    off = np.linalg.norm(s4d - exact, axis=0)
    errors["S4D, largest"].append(off.max())
    errors["S4D, at ω = 1"].append(off[np.searchsorted(omega, 1.0)])
    errors["perturbed, largest"].append(np.linalg.norm(ptd - exact, axis=0).max())
    print(f"n = {n:3d}: " + ", ".join(f"{name} {found[-1]:.1e}" for name, found in errors.items()))

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=[1.25, 1])
left, right = axes
for n in (16, 64, 256):
    omega, exact, s4d, ptd = gains[n]
    left.loglog(omega, s4d, color=ORANGE, linewidth=1.1, label="S4D" if n == 16 else None)
    left.loglog(omega, ptd, color=BLUE, linewidth=2.2, label="perturbed" if n == 16 else None)
    left.loglog(omega, exact, ":", color="black", linewidth=1.4, label="LegS" if n == 16 else None)
    peak = s4d.argmax()
    left.annotate(
        f"n = {n}",
        (omega[peak], s4d[peak]),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        color="#8a5f00",
        fontsize=9,
    )
left.set(xlabel="frequency ω", ylabel="gain, norm over the states", xlim=(1e-2, 1e6), ylim=(1e-4, 1e3))
left.legend(frameon=False, loc="lower left")
left.set_title("Gain of 16, 64 and 256 states", fontsize=11)

n = np.array(sizes)
right.loglog(n, 2 * n / np.pi, color=GREY, linewidth=0.9)
right.text(300, 2 * 256 / np.pi, "2n/π", color="0.35", va="center")
right.loglog(n, 1 / n, color=GREY, linewidth=0.9)
right.text(300, 1 / 256, "1/n", color="0.35", va="center")
styles = ("o-", ORANGE), ("o:", ORANGE), ("s-", BLUE)
for (name, found), (style, colour) in zip(errors.items(), styles, strict=True):
    right.loglog(n, found, style, color=colour, ms=5, label=name)
right.set(xlabel="states n", ylabel="error of the transfer function", xlim=(13, 480), ylim=(1e-8, 1e4))
right.set_xticks(sizes, map(str, sizes))
right.minorticks_off()
right.legend(frameon=False, loc="center left", bbox_to_anchor=(0.0, 0.4), fontsize=9)
right.set_title("Weak convergence, and strong", fontsize=11)
for ax in axes:
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# The same in time
# ----------------
# A random output of 64 states. An impulse has all frequencies, and the response of S4D rings at its
# peaks until it has decayed; the other one is that of LegS. Below, a slow signal and 1 % of a mode at
# the frequency of the highest peak go through the same output, by ``diagonal_scan``. What is slow comes
# out right of both, as weak convergence has it. The mode, which LegS hardly lets pass, comes out of S4D
# too.

n = 64
systems = {"S4D": diagonal_init("legs", n), "perturbed": diagonal_init("ptd", n, rng=0)}
colours = {"S4D": ORANGE, "perturbed": BLUE}
output = np.random.default_rng(3).standard_normal(n)
output /= np.linalg.norm(output)
t = np.logspace(-6, 1, 800)
exact = legs_kernel(n, t) @ output

figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 6), layout="constrained")
for name, init in systems.items():
    C = output @ init.basis * init.weight
    response = 2 * ((C * init.B) @ np.exp(np.outer(init.A, t))).real
    error = np.max(np.abs(response - exact)) / np.max(np.abs(exact))
    print(f"{name}: largest error of the impulse response {error:.1e} of its largest value")
    top.semilogx(t, response, color=colours[name], linewidth=1.8, label=name)
top.semilogx(t, exact, ":", color="black", linewidth=1.5, label="LegS")
top.set(xlabel="time t", ylabel="impulse response", xlim=(1e-6, 10))
top.legend(frameon=False, loc="upper right")

mode = systems["S4D"].A.imag.max()
dt, steps = 2e-4, 40_000
time = dt * np.arange(1, steps + 1)
slow = np.sin(2 * np.pi * time / 3) + 0.5 * np.sin(2 * np.pi * time / 1.1)
fast = slow + 0.01 * np.sin(mode * time)
clean = None
for name, init in reversed(systems.items()):
    A_bar, B_bar = discretize(init.A, init.B, dt)
    C = output @ init.basis * init.weight
    if clean is None:
        clean = diagonal_scan(A_bar, B_bar, C, slow).y
    y = diagonal_scan(A_bar, B_bar, C, fast).y
    print(f"{name}: the mode changes the output by up to {np.max(np.abs(y - clean)):.3f}")
    bottom.plot(
        time, y, color=colours[name], linewidth=0.9 if name == "S4D" else 2, zorder=2 + (name != "S4D")
    )
bottom.plot(time, clean, ":", color="black", linewidth=1.5, zorder=4, label="without the mode")
bottom.legend(frameon=False, loc="upper right")
bottom.set(xlabel="time t", ylabel="output", xlim=(0, dt * steps))
for ax in (top, bottom):
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
