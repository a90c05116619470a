"""Peers of `spectralkit.equivariant`: e3nn, symbolic integrals, a quadrature in extended precision."""

import math

import numpy as np

try:
    import torch
    from e3nn import o3
except ImportError:
    torch = o3 = None


class E3nnProduct:
    """
    The paths of a Gaunt product by e3nn's TensorProduct: those of an even sum of degrees.

    All paths to a degree add up in one irreducible part, without weights and normalisations. Each is the
    Gaunt path up to a factor; with ``weights`` e3nn multiplies by these factors too.
    """

    def __init__(self, lmax, *, weights=None):
        torch.set_num_threads(1)
        irreps, out = o3.Irreps.spherical_harmonics(lmax), o3.Irreps.spherical_harmonics(2 * lmax)
        self.paths = [
            (i, j, k)
            for i in range(lmax + 1)
            for j in range(lmax + 1)
            for k in range(abs(i - j), i + j + 1, 2)
        ]
        instructions = [(*path, "uuu", weights is not None) for path in self.paths]
        options = {"irrep_normalization": "none", "path_normalization": "none"}
        if weights is not None:
            options |= {"internal_weights": False, "shared_weights": True}
        self.module = o3.TensorProduct(irreps, irreps, out, instructions, **options)
        self.weights = () if weights is None else (torch.tensor(weights, dtype=torch.float32),)

    def __call__(self, x1, x2):
        return self.module(x1, x2, *self.weights)

    def factors(self, indices, values):
        """Return what each path has to be multiplied by, and how far any is from being proportional."""
        lmax = self.paths[-1][0]
        G = np.zeros(((lmax + 1) ** 2, (lmax + 1) ** 2, (2 * lmax + 1) ** 2))
        G[tuple(indices.T)] = values
        factors, worst = [], 0.0
        for path in self.paths:
            block = G[np.ix_(*(np.arange(k * k, (k + 1) ** 2) for k in path))]
            w3j = o3.wigner_3j(*path, dtype=torch.float64).numpy()
            factors.append(np.sum(block * w3j) / np.sum(w3j**2))
            worst = max(worst, np.abs(block - factors[-1] * w3j).max())
        return factors, worst


def as_torch(x):
    """Return a tensor that shares the memory of an array."""
    return torch.from_numpy(x)


def symbolic_gaunt(l1, l2, l3, m1, m2, m3):
    """One integral of three real harmonics by exact arithmetic."""
    from sympy.physics.wigner import real_gaunt

    # SymPy's harmonics have the Condon-Shortley phase.
    return (-1) ** (m1 + m2 + m3) * float(real_gaunt(l1, l2, l3, m1, m2, m3))


def quadrature_product(x1, x2, lmax_out):
    """Products by values on a grid that is finer than needed, in extended precision."""
    lmaxs = [math.isqrt(x.shape[-1]) - 1 for x in (x1, x2)]
    degree = sum(lmaxs) + lmax_out + 6
    nodes, weights = _extended_gauss(degree // 2 + 1)
    n = degree + 2
    phi = 2 * np.arctan2(np.longdouble(0), np.longdouble(-1)) * np.arange(n, dtype=np.longdouble) / n
    Y = _harmonics(max(*lmaxs, lmax_out), np.repeat(nodes, n), np.tile(phi, len(nodes)))
    first, second = (x.astype(np.longdouble) @ Y[: x.shape[-1]] for x in (x1, x2))
    area = np.repeat(weights, n) * (phi[1] - phi[0])
    return (first * second * area) @ Y[: (lmax_out + 1) ** 2].T


def _extended_gauss(n):
    """Return Gauss-Legendre nodes and weights, by Newton steps from those in double precision."""
    x = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(3):
        old, new = np.ones_like(x), x
        for k in range(2, n + 1):
            old, new = new, ((2 * k - 1) * x * new - (k - 1) * old) / k
        slope = n * (x * new - old) / (x * x - 1)
        x = x - new / slope
    return x, 2 / ((1 - x * x) * slope**2)


def _harmonics(lmax, z, phi):
    """Return harmonics (l*l + l + m, point), by the recurrence for unnormalised Legendre functions."""
    Y = np.empty(((lmax + 1) ** 2, len(z)), dtype=np.longdouble)
    pi = np.arctan2(np.longdouble(0), np.longdouble(-1))
    sine = np.sqrt((1 - z) * (1 + z))
    sectoral = np.ones_like(z)
    for m in range(lmax + 1):
        if m:
            sectoral = (2 * m - 1) * sine * sectoral
        older, old = np.zeros_like(z), sectoral
        for l in range(m, lmax + 1):  # noqa: E741
            if l > m:
                older, old = old, ((2 * l - 1) * z * old - (l + m - 1) * older) / (l - m)
            ratio = np.longdouble(math.factorial(l - m)) / np.longdouble(math.factorial(l + m))
            norm = np.sqrt((2 * l + 1) / (4 * pi) * ratio * (2 if m else 1))
            Y[l * l + l + m] = norm * old * np.cos(m * phi)
            if m:
                Y[l * l + l - m] = norm * old * np.sin(m * phi)
    return Y
