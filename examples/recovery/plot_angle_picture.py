"""
Nine paths in a picture of angles
=================================

The channel of a user, a reflecting surface and a base station is sparse in angles: a few neighbouring angles
at the surface, a few at the base station, one at the user. Four estimates from the same 288 pilots show what
the structure is worth.
"""

# %%
# One channel
# -----------
# The coefficients are a cube of 18 angles at the surface, at the user and at the base station. The noise is
# 12 dB below the pilots.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle

from spectralkit.datasets import make_irs_mimo
from spectralkit.recovery import kronecker_matvec, kronecker_omp, kronecker_sbl

channel = make_irs_mimo(snr=12.0, rng=3)
shape = tuple(H.shape[1] for H in channel.dictionaries)
surface, user, base = np.unravel_index(channel.support, shape)
print(f"{channel.Y.size} pilots, {channel.coef.size} products of angles, {channel.support.size} paths")

# %%
# Four estimates
# --------------
# ``kronecker_sbl`` is told nothing, neither the noise nor the number of angles. ``kronecker_omp`` is told the
# numbers of angles. Least squares without a prior takes the solution of least norm.

result = kronecker_sbl(channel.Y, channel.dictionaries)
inverses = [np.linalg.pinv(H) for H in channel.dictionaries]
estimates = {
    "true": channel.coef,
    "kronecker_sbl": result.coef,
    "kronecker_omp": kronecker_omp(channel.Y, channel.dictionaries, n_nonzero=(3, 1, 3)).coef,
    "least norm": kronecker_matvec(inverses, channel.Y),
}
print(f"noise {result.noise_var:.3g}, in truth {channel.noise_var:.3g}")
for name, coef in estimates.items():
    print(f"{name:>14}: error of the channel {channel.nmse(coef):.2g}")

# %%
# The picture
# -----------
# Moduli at the user's true angle, all on the scale of the true ones. Boxes frame the true paths. The solution
# of least norm spreads the paths over all angles that explain the pilots, most of them at other angles of the
# user, which are not seen here. Greedy pursuit takes other angles at the surface, since one step decides on
# all three factors and is never revised.

figure, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained", sharey=True)
largest = np.abs(channel.coef).max()
for ax, (name, coef) in zip(axes, estimates.items(), strict=True):
    picture = np.abs(coef.reshape(shape)[:, user[0]]) / largest
    image = ax.imshow(picture, cmap="magma", norm=PowerNorm(0.5, 0, 1), origin="lower")
    corner = (base.min() - 0.5, surface.min() - 0.5)
    ax.add_patch(Rectangle(corner, np.ptp(base) + 1, np.ptp(surface) + 1, fill=False, color="#56B4E9"))
    ax.set_title(name if name == "true" else f"{name}, error {channel.nmse(coef):.2g}", fontsize=11)
    ax.set(xlabel="angle at the base station", xticks=[0, 8, 17], yticks=[0, 8, 17])
axes[0].set_ylabel("angle at the surface")
figure.colorbar(image, ax=axes, shrink=0.85, label="modulus, relative")

# %%
# How sure it is
# --------------
# The posterior has a variance for each coefficient. It is that for the given support: whether the support is
# right is not in it. Bars are two standard deviations of the modulus of a complex error.

found = np.isin(channel.support, result.support)
print(f"{found.sum()} of {found.size} paths are in the support, which has {result.support.size}")
paths = np.arange(channel.support.size)
deviation = np.sqrt(result.coef_var[channel.support])
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.errorbar(
    paths,
    np.abs(result.coef[channel.support]) / largest,
    2 * deviation / largest,
    fmt="o",
    color="#0072B2",
    capsize=4,
    label="kronecker_sbl",
)
ax.plot(paths, np.abs(channel.coef[channel.support]) / largest, "x", color="#D55E00", ms=8, label="true")
ax.set(xticks=paths, xticklabels=[f"{i}, {k}" for i, k in zip(surface, base, strict=True)])
ax.set(xlabel="path: angles at the surface and at the base station", ylabel="modulus, relative")
ax.grid(alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
