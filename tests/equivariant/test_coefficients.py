"""Integrals of three harmonics: quadrature, exact values, their number, symmetry, selection rules."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import beta

from spectralkit.equivariant import gaunt_coefficients
from tests.equivariant import reference


def dense(l1, l2, l3):
    indices, values = gaunt_coefficients(l1, l2, l3)
    G = np.zeros([(l + 1) ** 2 for l in (l1, l2, l3)])  # noqa: E741
    G[tuple(indices.T)] = values
    return G


@pytest.mark.parametrize(
    "degrees",
    [
        (0, 0, 0),
        (1, 1, 2),
        (4, 4, 8),
        (3, 3, 3),
        (5, 2, 1),
        (2, 5, 7),
        (0, 3, 3),
        (3, 0, 2),
        (4, 1, 9),
        (1, 1, 0),
    ],
)
def test_quadrature(degrees):
    np.testing.assert_allclose(dense(*degrees), reference.gaunt_tensor(*degrees), atol=2e-14)


def real_from_complex(l, m):  # noqa: E741
    """A real harmonic as a sum of complex ones with the Condon-Shortley phase: {order: factor}."""
    if m == 0:
        return {0: 1}
    sign, root = (-1) ** abs(m), math.sqrt(0.5)
    return {m: sign * root, -m: root} if m > 0 else {-m: -1j * sign * root, m: 1j * root}


def test_exact_integrals():
    wigner = pytest.importorskip("sympy.physics.wigner")
    G = dense(3, 3, 5)
    rng = np.random.default_rng(0)
    nonzero = np.argwhere(G)
    triples = np.concatenate(
        [nonzero[rng.choice(len(nonzero), 60, replace=False)], rng.integers(0, 16, (40, 3))]
    )
    for triple in triples:
        l = [math.isqrt(place) for place in triple]  # noqa: E741
        parts = [
            real_from_complex(degree, place - degree * degree - degree).items()
            for degree, place in zip(l, triple, strict=True)
        ]
        expected = sum(
            a * b * c * float(wigner.gaunt(*l, m1, m2, m3))
            for (m1, a), (m2, b), (m3, c) in itertools.product(*parts)
        )
        assert abs(G[tuple(triple)] - expected) < 1e-15


# Counted with exact arithmetic: zeros that no rule of orders and degrees forbids are left out.
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(
    ("lmax", "product", "truncated"),
    [
        (1, 21, 10),
        (2, 162, 83),
        (3, 708, 353),
        (4, 2229, 1158),
        (5, 5605, 2907),
        (6, 12322, 6460),
        (8, 44287, 23621),
    ],
)
def test_number(lmax, product, truncated, full):
    indices, values = gaunt_coefficients(lmax, lmax, 2 * lmax if full else lmax)
    assert indices.shape == ((product if full else truncated), 3)
    assert values.shape == indices.shape[:1]
    assert np.min(np.abs(values)) > 1e-9


def test_symmetric_in_all_arguments():
    G = dense(2, 3, 4)
    for order in itertools.permutations(range(3)):
        turned = dense(*np.array([2, 3, 4])[list(order)])
        np.testing.assert_allclose(turned, G.transpose(order), atol=1e-15)
        assert np.array_equal(turned != 0, G.transpose(order) != 0)


def test_selection_rules():
    indices, _ = gaunt_coefficients(5, 4, 9)
    l = np.sqrt(indices).astype(int)  # noqa: E741
    m = indices - l * l - l
    assert np.all(np.sum(l, axis=1) % 2 == 0)
    assert np.all(2 * np.max(l, axis=1) <= np.sum(l, axis=1))
    assert np.all(np.sum(m < 0, axis=1) % 2 == 0)
    assert np.all(2 * np.max(np.abs(m), axis=1) == np.sum(np.abs(m), axis=1))


def test_a_constant_is_the_identity():
    G = dense(0, 6, 6)[0]
    np.testing.assert_allclose(G, np.eye(49) / math.sqrt(4 * math.pi), atol=1e-15)


def test_sums_of_squares():
    # Y_i Y_j of a product without loss: the sum of squares is the integral of (Σ Y_i²) (Σ Y_j²).
    l1, l2 = 12, 9
    _, values = gaunt_coefficients(l1, l2, l1 + l2)
    np.testing.assert_allclose(np.sum(values**2), ((l1 + 1) * (l2 + 1)) ** 2 / (4 * math.pi), rtol=1e-12)


def test_small_integrals_are_kept():
    # ∫ Y_nn² Y_{2n,0} is tiny for large n, and none of the zeros. By parts, 2n times.
    n = 21
    indices, values = gaunt_coefficients(n, n, 2 * n)
    top = n * n + 2 * n, n * n + 2 * n, 4 * n * n + 2 * n
    ratio = (-0.25) ** n * beta(0.5, 2 * n + 1) / beta(0.5, n + 1)
    exact = ratio * math.sqrt((4 * n + 1) / (4 * math.pi))
    np.testing.assert_allclose(values[np.all(indices == top, axis=1)], [exact], rtol=0.01)
    assert abs(exact) < 1e-12


def test_arrays():
    indices, values = gaunt_coefficients(2, 2, 4)
    assert indices.dtype == np.int64
    assert values.dtype == np.float64
    assert np.all(np.diff(np.ravel_multi_index(indices.T, (9, 9, 25))) > 0)
    indices[:], values[:] = -1, np.nan
    again, numbers = gaunt_coefficients(2, 2, 4)
    assert again.min() == 0
    assert np.all(np.isfinite(numbers))
