"""
Rotate, then multiply; multiply, then rotate
============================================

The product of two functions on the sphere turns with them. That is what makes products of coefficients fit
for networks and descriptors that must not care how a molecule happens to lie.
"""

# %%
# Both ways round
# ---------------
# Two functions of degree 5, and a rotation by 80 degrees about an oblique axis.

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.transform import Rotation

from spectralkit.equivariant import gaunt_tensor_product, rotate, spherical_harmonics

lmax = 5
degree = np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)
smooth = np.exp(-degree * (degree + 1) / 30)
first = np.array([1.0, 0.9, -0.8]) @ spherical_harmonics(
    lmax, [[-0.2, -0.9, 0.6], [0.7, -0.7, -0.2], [-0.5, -0.6, -0.6]]
)
second = np.array([1.0, -0.7]) @ spherical_harmonics(lmax, [[0.3, -0.9, 0.3], [-0.6, -0.7, 0.2]])
x1, x2 = first * smooth, second * smooth
R = Rotation.from_rotvec(np.deg2rad(80) * np.array([2.0, -6.0, 3.0]) / 7).as_matrix()

product = gaunt_tensor_product(x1, x2)
turned = rotate(product, R)
turned_first = gaunt_tensor_product(rotate(x1, R), rotate(x2, R))
print(f"largest difference of the two ways {np.abs(turned - turned_first).max():.1e}")

# %%
# The upper row multiplies and then turns the product, the lower one turns the factors and then multiplies.
# The black dot is a point of the sphere that turns along.

marker = np.array([0.25, -0.85, 0.35])
marker /= np.linalg.norm(marker)


def globe(ax, coefficients, point, title):
    """Draw a function, and a point if it is on the half of the sphere that faces us."""
    u, v = np.meshgrid(np.linspace(-1, 1, 301), np.linspace(1, -1, 301))
    depth = np.sqrt(np.maximum(1 - u**2 - v**2, 0))
    inside = u**2 + v**2 < 1
    directions = np.stack([u, -depth, v], axis=-1)[inside]
    values = np.full(u.shape, np.nan)
    values[inside] = spherical_harmonics(round(len(coefficients) ** 0.5) - 1, directions) @ coefficients
    # The scale is that of the whole sphere, which no rotation changes.
    everywhere = np.random.default_rng(0).standard_normal((4000, 3))
    largest = np.abs(
        spherical_harmonics(round(len(coefficients) ** 0.5) - 1, everywhere) @ coefficients
    ).max()
    colours = plt.get_cmap("RdBu_r")(0.5 + 0.5 * values / largest)
    colours[..., :3] *= (0.55 + 0.45 * depth)[..., None]
    colours[..., 3] = np.clip((1 - np.hypot(u, v)) * 150, 0, 1)
    ax.imshow(colours, extent=(-1, 1, -1, 1), interpolation="bilinear")
    if point[1] < 0:
        ax.plot(point[0], point[2], "o", ms=5, color="black", markeredgecolor="white")
    ax.set_title(title, fontsize=11)
    ax.set_axis_off()


figure, axes = plt.subplots(2, 4, figsize=(10.4, 5.3), layout="constrained")
panels = [
    (x1, marker, "first"),
    (x2, marker, "second"),
    (product, marker, "product"),
    (turned, R @ marker, "product, turned"),
    (rotate(x1, R), R @ marker, "first, turned"),
    (rotate(x2, R), R @ marker, "second, turned"),
    (turned_first, R @ marker, "product of those"),
]
for ax, panel in zip(axes.ravel(), panels, strict=False):
    globe(ax, *panel)
difference = axes[1, 3]
difference.set_axis_off()
difference.text(
    0.5,
    0.5,
    f"both are the same:\nlargest difference of\ncoefficients {np.abs(turned - turned_first).max():.0e}",
    ha="center",
    va="center",
    transform=difference.transAxes,
)
for row, column, sign in ((0, 0, "×"), (0, 1, "="), (0, 2, "→"), (1, 0, "×"), (1, 1, "=")):
    axes[row, column].text(1.14, 0, sign, fontsize=18, ha="center", va="center")

# %%
# What else might be done with coefficients
# -----------------------------------------
# Rotations are random; the error is that of the two ways round, as a share of the product. Products of
# coefficients one by one do not turn with the functions. Nor does a pointwise product on a grid that is too
# small, as it is the same grid whatever lies on it: two factors and a result of degree 5 take one that is
# exact to degree 15. Cutting off high degrees does no harm, and single precision costs what it costs.

rng = np.random.default_rng(0)


def grid(degree):
    """Return points and weights that integrate polynomials up to a degree."""
    z, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    phi = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    across = np.sqrt(1 - z**2)[:, None]
    points = np.stack([across * np.cos(phi), across * np.sin(phi), z[:, None] + 0 * phi], axis=-1)
    return points.reshape(-1, 3), np.repeat(weights * 2 * np.pi / (degree + 1), degree + 1)


def on_a_grid(a, b, degree):
    """Return the product of functions by values on a grid."""
    points, weights = grid(degree)
    Y = spherical_harmonics(lmax, points)
    return ((a @ Y.T) * (b @ Y.T) * weights) @ Y


operations = {
    "coefficient by coefficient": lambda a, b: a * b,
    "grid of degree 10": lambda a, b: on_a_grid(a, b, 10),
    "grid of degree 13": lambda a, b: on_a_grid(a, b, 13),
    "Gaunt, float32": lambda a, b: gaunt_tensor_product(a.astype(np.float32), b.astype(np.float32)),
    "Gaunt, up to degree 5": lambda a, b: gaunt_tensor_product(a, b, lmax_out=lmax),
    "Gaunt": gaunt_tensor_product,
}
rotations = Rotation.random(50, rng=rng).as_matrix()
figure, ax = plt.subplots(figsize=(7.6, 3.4), layout="constrained")
colours = ["#D55E00", "#E69F00", "#CC79A7", "#56B4E9", "#009E73", "#0072B2"]
for place, ((name, operation), colour) in enumerate(zip(operations.items(), colours, strict=True)):
    errors = []
    for R in rotations:
        a, b = rng.standard_normal((2, 36))
        expected = rotate(operation(a, b), R)
        found = operation(rotate(a, R), rotate(b, R))
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    spread = rng.uniform(-0.25, 0.25, len(errors))
    ax.semilogx(errors, place + spread, "o", ms=4, alpha=0.6, color=colour, markeredgewidth=0)
    print(f"{name:>27}: {np.median(errors):.1e}")
ax.set_yticks(range(len(operations)), operations)
ax.invert_yaxis()
ax.set(xlabel="relative difference of the two ways round", xlim=(1e-16, 10))
ax.grid(alpha=0.25, axis="x")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
