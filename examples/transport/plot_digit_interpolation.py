"""
From one digit to another
=========================

A digit is ink on a grid. Fading from one digit to another shows two ghosts half-way; moving the ink shows a
digit all the way. The plan of optimal transport says which ink goes where.
"""

# %%
# Ink as weights
# --------------
# An 8 by 8 picture is 64 points of the plane, the same for all digits, weighted by their ink. White pixels
# have weight zero and take no part.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from spectralkit.transport import EntropicTransport

digits = load_digits()
pixels = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1).reshape(-1, 2)


def ink(digit):
    """Return the share of ink in each pixel of the first picture of a digit."""
    picture = digits.data[np.flatnonzero(digits.target == digit)[0]]
    return picture / picture.sum()


# %%
# Moving the ink
# --------------
# Where the plan moves mass from pixel x to pixel y, at time t that mass is at (1 - t) x + t y: this is the
# shortest path between both pictures in the Wasserstein distance. To look at it, each piece of ink
# is drawn as a small spot on a finer grid.

fine = np.linspace(-0.5, 7.5, 72)


def moved(plan, t):
    """Draw the mass of a plan a share t of the way."""
    i, j = np.nonzero(plan > 1e-6 * plan.max())
    places = (1 - t) * pixels[i] + t * pixels[j]
    across, down = (np.exp(-0.5 * ((fine[:, None] - x) / 0.5) ** 2) for x in places.T)
    return (down * plan[i, j]) @ across.T


def faded(plan, t):
    """Draw the ink of both pictures where it is, one fading out and the other in."""
    return (1 - t) * moved(plan, 0.0) + t * moved(plan, 1.0)


times = np.linspace(0, 1, 9)


def strip(axes, draw, plan, label):
    """Draw the way in steps, all in one scale of grey."""
    frames = [draw(plan, t) for t in times]
    for ax, frame in zip(axes, frames, strict=True):
        ax.imshow(frame, cmap="gray_r", vmin=0, vmax=np.max(frames))
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set_color("0.85")
    axes[0].set_ylabel(label, fontsize=10)


transport = EntropicTransport(reg=0.02)
plan = transport.fit(pixels, pixels, ink(3), ink(0)).plan_
print(f"squared Wasserstein distance {transport.cost_:.2f} pixels squared, {transport.n_iter_} iterations")

figure, axes = plt.subplots(2, len(times), figsize=(9, 2.4), layout="constrained")
strip(axes[0], faded, plan, "fading")
strip(axes[1], moved, plan, "moving")
for ax, t in zip(axes[1], times, strict=True):
    ax.set_xlabel(f"t = {t:.3g}", fontsize=9)

# %%
# More ways
# ---------
# Strokes bend, split and close. A split stroke is what a plan can do and a map of points cannot: half of
# the ink of a pixel goes one way and half the other.

pairs = [(1, 4), (7, 2), (5, 8), (9, 6)]
figure, axes = plt.subplots(len(pairs), len(times), figsize=(9, 4.3), layout="constrained")
for row, (first, second) in zip(axes, pairs, strict=True):
    strip(row, moved, transport.fit(pixels, pixels, ink(first), ink(second)).plan_, f"{first} to {second}")
plt.show()
