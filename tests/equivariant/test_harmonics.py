"""Real spherical harmonics: closed forms, SciPy, orthonormality, high degrees, poles, libraries."""

import tracemalloc

import numpy as np
import pytest

from spectralkit.equivariant import spherical_harmonics
from spectralkit.testing import assert_namespace_preserved, check_ratio
from tests.equivariant import reference

eps = np.finfo(float).eps
POLES = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
AXES = np.concatenate([np.eye(3), -np.eye(3)])
# From the pole to where a naive sine would be lost to cancellation, and to where its powers underflow.
NEAR_POLES = np.array([[a, b, sign] for a, b in ((1e-3, 2e-3), (1e-8, 0), (3e-9, -4e-9), (0, 1e-200))
                       for sign in (1.0, -1.0)])  # fmt: skip


def degrees(lmax):
    return np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)


def assert_close(found, expected, lmax, dtype=np.float64):
    check_ratio(np.max(np.abs(found - expected)), np.max(np.abs(expected)), lmax + 1, dtype)


# Values.


@pytest.mark.parametrize("xyz", [reference.directions(200), AXES], ids=["random", "axes"])
def test_closed_forms_up_to_degree_three(xyz):
    assert_close(spherical_harmonics(3, xyz), reference.closed_forms(xyz), 3)


@pytest.mark.parametrize("xyz", [reference.directions(50), AXES, NEAR_POLES])
@pytest.mark.parametrize("lmax", [0, 1, 2, 9, 40])
def test_harmonics_of_scipy(lmax, xyz):
    assert_close(spherical_harmonics(lmax, xyz), reference.harmonics(lmax, xyz), lmax)


@pytest.mark.parametrize("lmax", [0, 5, 40])
def test_orthonormal(lmax):
    points, weights = reference.quadrature(2 * lmax)
    Y = spherical_harmonics(lmax, points)
    gram = Y.T @ (weights[:, None] * Y)
    assert_close(gram, np.eye(len(gram)), lmax)


@pytest.mark.parametrize(
    "xyz", [reference.directions(100, seed=1), AXES, NEAR_POLES], ids=["random", "axes", "poles"]
)
def test_addition_theorem_at_degree_200(xyz):
    Y = spherical_harmonics(200, xyz)
    l = np.arange(201)  # noqa: E741
    sums = np.add.reduceat(Y**2, l * l, axis=1) * 4 * np.pi / (2 * l + 1)
    # A rounding error of a component counts l² times near the poles.
    assert np.all(np.abs(sums - 1) < (4 + 4 * l + l * l / 2) * eps)


def test_norm_at_degree_200():
    # The squares of a cosine and its sine add up to a function of the polar angle alone.
    z, weights = np.polynomial.legendre.leggauss(202)
    s = np.sqrt((1 - z) * (1 + z))
    Y = spherical_harmonics(200, np.stack([0.6 * s, 0.8 * s, z], axis=1))
    squares = 2 * np.pi * weights @ Y**2
    for l in range(201):  # noqa: E741
        block = squares[l * l : (l + 1) ** 2]
        np.testing.assert_allclose(block + block[::-1], 2, rtol=1e-12)


def test_high_degrees_where_powers_of_the_sine_underflow():
    for sine in (0.36, 1e-3):
        Y = spherical_harmonics(2100, [sine, 0, np.sqrt(1 - sine**2)])[2100**2 :]
        assert np.sum(Y**2) * 4 * np.pi / 4201 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("z", [1, -1])
def test_poles(z):
    Y = spherical_harmonics(30, [0, 0, z])
    l = np.arange(31)  # noqa: E741
    expected = np.zeros(31**2)
    expected[l * l + l] = np.sqrt((2 * l + 1) / (4 * np.pi)) * z**l
    assert_close(Y, expected, 30)
    assert np.array_equal(Y != 0, expected != 0)


def test_parity():
    xyz = reference.directions(70)
    # Only signs change, in the same operations.
    expected = spherical_harmonics(25, xyz) * (-1.0) ** degrees(25)
    assert np.array_equal(spherical_harmonics(25, -xyz), expected)


def test_harmonics_of_e3nn():
    torch = pytest.importorskip("torch")
    o3 = pytest.importorskip("e3nn.o3")
    xyz = reference.directions(50)
    tensor = torch.from_numpy(xyz)
    expected = o3.spherical_harmonics(list(range(9)), tensor, True, normalization="integral")
    found = spherical_harmonics(8, xyz, polar_axis="y")
    assert_close(found, expected.numpy(), 8)
    assert np.max(np.abs(spherical_harmonics(8, xyz) - found)) > 0.1


@pytest.mark.parametrize("lmax", [0, 1, 6])
def test_the_other_polar_axis_is_a_permutation_of_coordinates(lmax):
    xyz = reference.directions(20)
    found = spherical_harmonics(lmax, xyz, polar_axis="y")
    assert_close(found, spherical_harmonics(lmax, xyz[:, [2, 0, 1]]), lmax)


def test_degrees_are_a_prefix():
    xyz = reference.directions(65)
    assert np.array_equal(spherical_harmonics(12, xyz)[:, :49], spherical_harmonics(6, xyz))


# Lengths of vectors.


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**1000, 2.0**-3])
def test_powers_of_two_change_nothing(scale):
    xyz = np.concatenate([reference.directions(40), AXES])
    assert np.array_equal(spherical_harmonics(6, scale * xyz), spherical_harmonics(6, xyz))


@pytest.mark.parametrize("scale", [1e-150, 1e150, 7e-300, 1e308])
def test_lengths_do_not_matter(scale):
    xyz = np.concatenate([reference.directions(40), AXES])
    assert_close(spherical_harmonics(6, scale * xyz), spherical_harmonics(6, xyz), 6)


def test_subnormal_vectors_have_a_direction():
    tiny = 5e-324
    expected = spherical_harmonics(4, [1.0, -1.0, 0.0])
    assert np.array_equal(spherical_harmonics(4, [tiny, -tiny, 0.0]), expected)


def test_components_of_very_different_sizes():
    found = spherical_harmonics(3, [1e-200, 0.0, 1e200])
    assert np.array_equal(found, spherical_harmonics(3, [0.0, 0.0, 1.0]))


# Shapes, dtypes, libraries.


@pytest.mark.parametrize("shape", [(), (1,), (0,), (63,), (64,), (65,), (2, 3), (2, 0, 3), (4, 1, 2)])
def test_shapes(shape):
    xyz = np.random.default_rng(3).standard_normal((*shape, 3))
    Y = spherical_harmonics(3, xyz)
    assert Y.shape == (*shape, 16)
    rows = [reference.harmonics(3, row) for row in xyz.reshape(-1, 3)]
    np.testing.assert_allclose(Y.reshape(-1, 16), np.reshape(rows, (-1, 16)), atol=1e-14)


def test_each_direction_alone_has_the_same_bits():
    xyz = reference.directions(70)
    alone = [spherical_harmonics(30, row) for row in xyz]
    assert np.array_equal(spherical_harmonics(30, xyz), alone)


def test_memory_of_one_direction():
    spherical_harmonics(200, [0, 0, 1])
    tracemalloc.start()
    Y = spherical_harmonics(200, [1, 2, 3])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * Y.nbytes


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_dtypes(dtype):
    xyz = np.array([[1, 2, 2], [0, 3, 1], [1, 0, 0]]).astype(dtype)
    Y = spherical_harmonics(5, xyz)
    assert Y.dtype == (dtype if dtype.startswith("float") else "float64")
    expected = reference.harmonics(5, xyz.astype(float))
    check_ratio(np.max(np.abs(Y - expected)), 1, 1 if Y.dtype != "float64" else 6, Y.dtype, threshold=3)


def test_layouts():
    xyz = reference.directions(90)
    expected = spherical_harmonics(5, xyz)
    frozen = xyz.copy()
    frozen.flags.writeable = False
    for other in (np.asfortranarray(xyz), frozen, np.repeat(xyz, 2, axis=0)[::2], xyz[::-1][::-1]):
        assert np.array_equal(spherical_harmonics(5, other), expected)
    assert np.array_equal(spherical_harmonics(5, xyz.tolist()), expected)


@pytest.mark.parametrize("polar_axis", ["z", "y"])
def test_strict_arrays(polar_axis):
    xyz = np.concatenate([reference.directions(30), AXES, NEAR_POLES])

    def function(xyz):
        return spherical_harmonics(12, xyz, polar_axis=polar_axis)

    found, expected = assert_namespace_preserved(function, xyz), function(xyz)
    assert_close(np.from_dlpack(found), expected, 12)


def test_arrays_stay_on_their_device():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    Y = spherical_harmonics(3, xp.asarray([[1.0, 2.0, 3.0]], dtype=xp.float32, device=device))
    assert Y.device == device
    assert Y.dtype == xp.float32


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("lmax", [0, 1, 2, 7])
def test_torch(lmax, dtype):
    torch = pytest.importorskip("torch")
    xyz = np.array([[1, 2, 2], [0, 3, -1], [0, 0, -4]]).astype(dtype)
    Y = spherical_harmonics(lmax, torch.from_numpy(xyz))
    expected = spherical_harmonics(lmax, xyz)
    assert Y.numpy().dtype == expected.dtype
    np.testing.assert_allclose(Y.numpy(), expected, rtol=0, atol=4 * np.finfo(expected.dtype).eps)
