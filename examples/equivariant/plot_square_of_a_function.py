"""
The square of a function on the sphere
======================================

Multiplied with itself, a function on the sphere gets finer: the largest degree of its harmonics doubles. The
coefficients of the product follow from those of the factors without a loss.
"""

# %%
# A function, its square, its fourth power
# ----------------------------------------
# Five bumps, some positive and some negative, up to degree 6. A bump about a direction has the harmonics of
# that direction as its coefficients, times a factor for each degree.

import matplotlib.pyplot as plt
import numpy as np

from spectralkit.equivariant import gaunt_power, gaunt_tensor_product, spherical_harmonics

rng = np.random.default_rng(3)
lmax = 6
degree = np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)
centres = np.array(
    [[0.3, -0.9, 0.5], [0.8, -0.4, -0.3], [-0.6, -0.8, -0.1], [0.0, -0.7, -0.8], [-0.5, -0.3, 0.9]]
)
heights = np.array([1.0, -0.9, 0.8, -0.6, -0.7])
f = heights @ spherical_harmonics(lmax, centres) * np.exp(-degree * (degree + 1) / 30)

square = gaunt_tensor_product(f, f)
fourth = gaunt_power(f, 4)
functions = {"f": f, "f²": square, "f⁴": fourth}


def globe(ax, coefficients, vmax=None):
    """Draw a function on the half of the sphere that faces us."""
    u, v = np.meshgrid(np.linspace(-1, 1, 301), np.linspace(1, -1, 301))
    depth = np.sqrt(np.maximum(1 - u**2 - v**2, 0))
    inside = u**2 + v**2 < 1
    # The first axis points right, the third up, and the second away from us.
    directions = np.stack([u, -depth, v], axis=-1)[inside]
    lmax = round(len(coefficients) ** 0.5) - 1
    values = np.full(u.shape, np.nan)
    values[inside] = spherical_harmonics(lmax, directions) @ coefficients
    vmax = vmax or np.nanmax(np.abs(values))
    colours = plt.get_cmap("RdBu_r")(0.5 + 0.5 * values / vmax)
    colours[..., :3] *= (0.55 + 0.45 * depth)[..., None]
    colours[..., 3] = np.clip((1 - np.hypot(u, v)) * 150, 0, 1)
    ax.imshow(colours, extent=(-1, 1, -1, 1), interpolation="bilinear")
    ax.set_axis_off()


figure, axes = plt.subplots(
    2, 3, figsize=(9.6, 5.6), layout="constrained", gridspec_kw={"height_ratios": (3, 2)}, sharey="row"
)
for (name, coefficients), top, bottom in zip(functions.items(), *axes, strict=True):
    globe(top, coefficients)
    top.set_title(name)
    largest = round(len(coefficients) ** 0.5) - 1
    power = [np.sum(coefficients[k * k : (k + 1) ** 2] ** 2) for k in range(largest + 1)]
    bottom.semilogy(range(largest + 1), np.array(power) / np.sum(power), "o-", ms=4, color="#0072B2")
    bottom.axvline(largest, color="0.6", linestyle=":", linewidth=1)
    bottom.set(xlabel="degree", xlim=(-0.8, 4 * lmax + 0.8), ylim=(1e-9, 3), xticks=range(0, 25, 6))
    bottom.grid(alpha=0.25)
    bottom.spines[["top", "right"]].set_visible(False)
axes[1, 0].set_ylabel("share of the squared norm")

# %%
# The dotted lines are where the harmonics end: at degrees 6, 12 and 24. Nothing is approximate about them:
# anywhere on the sphere the sum of harmonics is the square of the other sum, up to rounding.

points = rng.standard_normal((1000, 3))
values = spherical_harmonics(lmax, points) @ f
for power, coefficients in ((2, square), (4, fourth)):
    there = spherical_harmonics(power * lmax, points) @ coefficients
    print(f"power {power}: largest error {np.abs(there - values**power).max():.1e}")

# %%
# Fewer degrees
# -------------
# Often the high degrees of a product are not wanted. With ``lmax_out`` they are not computed, and the others
# are the same. That is a projection: the square is no longer positive everywhere.

cut = gaunt_tensor_product(f, f, lmax_out=lmax)
print(f"the coefficients that are kept differ by {np.abs(cut - square[: cut.size]).max():.1e}")
there = spherical_harmonics(lmax, points) @ cut
print(f"smallest value of the square {np.min(values**2):.4f}, of what is left of it {there.min():.4f}")

# %%
# Degrees that are not those of the factors
# -----------------------------------------
# Values on a grid and back is how the product is computed at high degrees. It is exact because the grid is
# large enough for the degree of both factors and of the result together. On one that is large enough for the
# factors alone, high degrees of the product come back as low ones: they are aliased.


def product_on_a_grid(f, degree, lmax_out):
    """Return the product from a grid that integrates polynomials up to a degree."""
    z, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    phi = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    across = np.sqrt(1 - z**2)[:, None]
    grid = np.stack([across * np.cos(phi), across * np.sin(phi), z[:, None] + 0 * phi], axis=-1)
    Y = spherical_harmonics(lmax_out, grid)
    values = (Y[..., : f.size] @ f) ** 2 * weights[:, None] * 2 * np.pi / (degree + 1)
    return np.einsum("ij,ijk->k", values, Y)


sizes = np.arange(6, 29)
errors = [
    np.abs(product_on_a_grid(f, size, 2 * lmax) - square).max() / np.abs(square).max() for size in sizes
]
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.semilogy(sizes, errors, "o-", ms=4, color="#D55E00")
ax.axvline(4 * lmax, color="0.6", linestyle=":", linewidth=1)
ax.annotate("6 + 6 + 12", (4 * lmax, 1e-8), xytext=(4, 0), textcoords="offset points", fontsize=9)
ax.set(xlabel="degree that the grid integrates exactly", ylabel="relative error of the coefficients")
ax.grid(alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
