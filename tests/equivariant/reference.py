"""Independent references: closed forms, SciPy's harmonics, quadrature, products in dense arithmetic."""

import functools
import itertools
import math

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

# In exact cases too: the identity, half turns, quarter turns, reflections, all signed permutations.
SIGNED_PERMUTATIONS = [
    np.eye(3)[list(order)] * np.array(signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


def closed_forms(xyz):
    """Harmonics of degrees 0 to 3 of unit vectors, written out."""
    x, y, z = np.moveaxis(xyz, -1, 0)
    s = [math.sqrt(value / math.pi) for value in (1, 3, 15, 5, 35 / 2, 105, 21 / 2, 7)]
    rows = [0.5 * s[0] + 0 * x]
    rows += [0.5 * s[1] * y, 0.5 * s[1] * z, 0.5 * s[1] * x]
    rows += [0.5 * s[2] * x * y, 0.5 * s[2] * y * z, 0.25 * s[3] * (3 * z * z - 1)]
    rows += [0.5 * s[2] * x * z, 0.25 * s[2] * (x * x - y * y)]
    rows += [
        0.25 * s[4] * y * (3 * x * x - y * y),
        0.5 * s[5] * x * y * z,
        0.25 * s[6] * y * (5 * z * z - 1),
    ]
    rows += [0.25 * s[7] * (5 * z**3 - 3 * z)]
    rows += [0.25 * s[6] * x * (5 * z * z - 1), 0.25 * s[5] * (x * x - y * y) * z]
    rows += [0.25 * s[4] * x * (x * x - 3 * y * y)]
    return np.stack(rows, axis=-1)


def harmonics(lmax, xyz):
    """Real harmonics from SciPy's complex ones, which have the Condon-Shortley phase."""
    x, y, z = np.moveaxis(np.asarray(xyz, dtype=float), -1, 0)
    theta, phi = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    rows = []
    for l in range(lmax + 1):  # noqa: E741
        Y = [math.sqrt(2 if m else 1) * (-1) ** m * sph_harm_y(l, m, theta, phi) for m in range(l + 1)]
        rows += [Y[-m].imag for m in range(-l, 0)] + [part.real for part in Y]
    return np.stack(rows, axis=-1)


@functools.cache
def quadrature(degree):
    """Points and weights that integrate polynomials on the sphere: other angles than the library uses."""
    z, weights = np.polynomial.legendre.leggauss(degree // 2 + 2)
    n = degree + 3
    phi = 0.3 + 2 * np.pi * np.arange(n) / n
    z, phi = (grid.ravel() for grid in np.meshgrid(z, phi, indexing="ij"))
    s = np.sqrt((1 - z) * (1 + z))
    return np.stack([s * np.cos(phi), s * np.sin(phi), z], axis=1), np.repeat(weights * 2 * np.pi / n, n)


@functools.cache
def gaunt_tensor(l1, l2, l3):
    """All integrals of three harmonics, zeros included."""
    points, weights = quadrature(l1 + l2 + l3)
    Y = harmonics(max(l1, l2, l3), points)
    first, second, third = (Y[:, : (l + 1) ** 2] for l in (l1, l2, l3))  # noqa: E741
    return np.einsum("pi,pj,pk->ijk", first * weights[:, None], second, third, optimize=True)


@functools.cache
def _analysis(lmax, degree):
    points, weights = quadrature(degree)
    return harmonics(lmax, points), weights


def expand(values, lmax, degree):
    """Coefficients of functions from their values at the points of the quadrature."""
    Y, weights = _analysis(lmax, degree)
    return (values * weights) @ Y


def product(*functions, lmax_out=None):
    """Coefficients of products, by values."""
    lmaxs = [math.isqrt(x.shape[-1]) - 1 for x in functions]
    lmax_out = sum(lmaxs) if lmax_out is None else lmax_out
    degree = sum(lmaxs) + lmax_out
    Y, _ = _analysis(max(*lmaxs, lmax_out), degree)
    values = math.prod(x.astype(float) @ Y[:, : x.shape[-1]].T for x in functions)
    return expand(values, max(*lmaxs, lmax_out), degree)[..., : (lmax_out + 1) ** 2]


def directions(n, seed=0):
    xyz = np.random.default_rng(seed).standard_normal((n, 3))
    return xyz / np.linalg.norm(xyz, axis=1, keepdims=True)


def orthogonal(n, seed=0):
    """Random orthogonal matrices, every other one a reflection."""
    R = Rotation.random(n, rng=np.random.default_rng(seed)).as_matrix()
    R[1::2] *= -1
    return R


def coefficients(lmax, *shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((*shape, (lmax + 1) ** 2)).astype(dtype)


def relative(found, expected):
    """Largest error relative to the largest element, by row."""
    error = np.max(np.abs(found - expected), axis=-1, initial=0)
    return float(np.max(error / np.max(np.abs(expected), axis=-1), initial=0))
