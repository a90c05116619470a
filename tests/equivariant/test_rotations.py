"""Rotations of coefficients: the defining property, the group, exact cases, blocks, libraries."""

import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from spectralkit.equivariant import rotate, spherical_harmonics, wigner_d
from spectralkit.testing import assert_namespace_preserved, check_ratio
from tests.equivariant import reference

GIMBAL = np.array(reference.SIGNED_PERMUTATIONS)


def half_turns(n, seed=0):
    axis = reference.directions(n, seed)
    return 2 * axis[:, :, None] * axis[:, None, :] - np.eye(3)


def nearly_polar():
    """Turns about axes close to the polar one, and their products with half turns that swap the poles."""
    angles = np.array([1e-3, 1e-8, 1e-12, 1e-16, 1e-200])
    tilt = Rotation.from_rotvec(np.stack([angles, 0.5 * angles, 0 * angles], axis=1)).as_matrix()
    spin = Rotation.from_euler("z", 0.7).as_matrix()
    return np.concatenate([tilt, tilt @ spin, spin @ tilt @ np.diag([1.0, -1.0, -1.0])])


MATRICES = {
    "random": reference.orthogonal(20),
    "signed permutations": GIMBAL,
    "half turns": half_turns(10),
    "nearly polar": nearly_polar(),
}


def assert_close(found, expected, lmax, dtype=np.float64):
    check_ratio(np.max(np.abs(found - expected)), np.max(np.abs(expected)), lmax + 1, dtype)


# What a rotation is.


@pytest.mark.parametrize("R", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("lmax", [0, 1, 2, 3, 8, 13])
def test_rotated_harmonics_are_those_of_rotated_vectors(lmax, R):
    r = reference.directions(7, seed=2)
    found = rotate(spherical_harmonics(lmax, r), R[:, None])
    assert_close(found, spherical_harmonics(lmax, np.einsum("rij,nj->rni", R, r)), lmax)


@pytest.mark.parametrize("lmax", [33, 64])
def test_high_degrees(lmax):
    R = np.concatenate([reference.orthogonal(4, seed=1), GIMBAL[::9]])
    r = reference.directions(len(R), seed=3)
    found = rotate(spherical_harmonics(lmax, r), R)
    assert_close(found, spherical_harmonics(lmax, np.einsum("rij,rj->ri", R, r)), lmax)


def test_rotated_functions_have_rotated_arguments():
    x, R, r = reference.coefficients(5), reference.orthogonal(6), reference.directions(30)
    for matrix in R:
        values = spherical_harmonics(5, r) @ rotate(x, matrix)
        np.testing.assert_allclose(values, spherical_harmonics(5, r @ matrix) @ x, atol=1e-13)


@pytest.mark.parametrize("R", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("lmax", [0, 1, 6])
def test_matrices_rotate_columns(lmax, R):
    x = reference.coefficients(lmax, len(R))
    D = wigner_d(lmax, R)
    assert_close(np.einsum("rij,rj->ri", D, x), rotate(x, R), lmax)


def test_degree_one_is_the_matrix_itself():
    R = np.concatenate(list(MATRICES.values()))
    yzx = [1, 2, 0]
    assert_close(wigner_d(1, R)[:, 1:, 1:], R[:, yzx][:, :, yzx], 1)


@pytest.mark.parametrize("lmax", [4, 20])
def test_identity_and_inversion(lmax):
    x = reference.coefficients(lmax)
    l = np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)  # noqa: E741
    assert_close(rotate(x, np.eye(3)), x, lmax)
    assert_close(rotate(x, -np.eye(3)), x * (-1.0) ** l, lmax)


# The group.


@pytest.mark.parametrize("R", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("lmax", [0, 1, 10])
def test_orthogonal_and_block_diagonal(lmax, R):
    D = wigner_d(lmax, R)
    assert_close(np.swapaxes(D, -1, -2) @ D, np.eye((lmax + 1) ** 2), lmax)
    l = np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)  # noqa: E741
    assert np.all(D[:, l[:, None] != l] == 0)


@pytest.mark.parametrize("R", MATRICES.values(), ids=MATRICES)
def test_homomorphism(R):
    S = reference.orthogonal(len(R), seed=5)
    assert_close(wigner_d(9, R @ S), wigner_d(9, R) @ wigner_d(9, S), 9)
    assert_close(wigner_d(9, np.swapaxes(R, 1, 2)), np.swapaxes(wigner_d(9, R), 1, 2), 9)


@pytest.mark.parametrize("lmax", [5, 64])
def test_norms_of_degrees_are_kept(lmax):
    x, R = reference.coefficients(lmax, 8), reference.orthogonal(8)
    starts = np.arange(lmax + 1) ** 2
    before, after = (np.add.reduceat(y**2, starts, axis=1) for y in (x, rotate(x, R)))
    np.testing.assert_allclose(after, before, rtol=30 * lmax * 2.3e-16)


def test_matrices_of_e3nn():
    torch = pytest.importorskip("torch")
    o3 = pytest.importorskip("e3nn.o3")
    R = Rotation.random(5, rng=np.random.default_rng(0)).as_matrix()
    # Their vectors (x, y, z) are ours as (z, x, y).
    order = [2, 0, 1]
    ours = wigner_d(4, R[:, order][:, :, order])
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # their constants are cast to it
    try:
        theirs = o3.Irreps.spherical_harmonics(4, p=1).D_from_matrix(torch.from_numpy(R)).numpy()
    finally:
        torch.set_default_dtype(default)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


# Input.


@pytest.mark.parametrize("off", [1e-7, 3e-7])
def test_slightly_off_is_accepted(off):
    R = reference.orthogonal(3) * (1 + off / 2)
    D = wigner_d(4, R)
    assert_close(np.swapaxes(D, 1, 2) @ D, np.eye(25), 4)  # the nearest turn, not a stretch
    x = reference.coefficients(4, 3)
    np.testing.assert_allclose(rotate(x, R), rotate(x, reference.orthogonal(3)), atol=40 * off)


@pytest.mark.parametrize("off", [3e-6, -3e-6, 1.0])
def test_further_off_raises(off):
    R = reference.orthogonal(4)
    R[2] *= 1 + off / 2
    for function in (lambda R: wigner_d(2, R), lambda R: rotate(np.ones((4, 9)), R)):
        with pytest.raises(ValueError, match=r"R must be orthogonal to 1e-6; got max \|R'R - I\| = "):
            function(R)


@pytest.mark.parametrize(
    ("x_shape", "R_shape"),
    [((), ()), ((4,), ()), ((), (4,)), ((4,), (4,)), ((3, 1), (4,)), ((4,), (3, 1)), ((0,), ()),
     ((0,), (0,)), ((2, 0), (0,)), ((1,), (0,))],
)  # fmt: skip
def test_broadcasting(x_shape, R_shape):
    x = reference.coefficients(3, *x_shape)
    R = reference.orthogonal(int(np.prod(R_shape))).reshape(*R_shape, 3, 3)
    found = rotate(x, R)
    shape = np.broadcast_shapes(x_shape, R_shape)
    assert found.shape == (*shape, 16)
    every_x, every_R = np.broadcast_to(x, (*shape, 16)), np.broadcast_to(R, (*shape, 3, 3))
    for index in np.ndindex(shape):
        np.testing.assert_allclose(found[index], wigner_d(3, every_R[index]) @ every_x[index], atol=1e-14)
    assert wigner_d(3, R).shape == (*R_shape, 16, 16)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "bool"])
def test_dtypes(dtype):
    R = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    x = np.arange(16).astype(dtype)
    expected_dtype = dtype if dtype.startswith("float") else "float64"
    found, D = rotate(x, R), wigner_d(3, R.astype(dtype))
    assert found.dtype == D.dtype == expected_dtype
    expected = rotate(x.astype(float), R)
    check_ratio(np.max(np.abs(found - expected)), np.max(np.abs(expected)), 1, found.dtype, threshold=4)
    assert_close(D, wigner_d(3, R), 1, D.dtype)


def test_single_precision():
    x, R = reference.coefficients(10, 50, dtype=np.float32), reference.orthogonal(50)
    # A float32 matrix is orthogonal to rounding only.
    for matrices, threshold in ((R, 1), (R.astype(np.float32), 30)):
        found, expected = rotate(x, matrices), rotate(x.astype(float), R)
        check_ratio(np.max(np.abs(found - expected)), 4, 1, np.float32, threshold=threshold)


@pytest.mark.parametrize("scale", [1e-150, 1e150, 1e300])
def test_scales(scale):
    x, R = reference.coefficients(6, 5), reference.orthogonal(5)
    np.testing.assert_allclose(rotate(scale * x, R) / scale, rotate(x, R), atol=1e-14)


def test_nan_stays_in_its_row():
    x, R = reference.coefficients(4, 6), reference.orthogonal(6)
    expected = rotate(x, R)
    x[3, 7] = np.nan
    found = rotate(x, R)
    assert np.isnan(found[3]).any()
    assert np.array_equal(np.delete(found, 3, 0), np.delete(expected, 3, 0))


def test_layouts():
    x, R = reference.coefficients(4, 6), reference.orthogonal(6)
    expected, copies = rotate(x, R), (x.copy(), R.copy())
    for array in copies:
        array.flags.writeable = False
    assert np.array_equal(rotate(*copies), expected)
    wide, turned = np.repeat(x, 2, axis=1)[:, ::2], np.asfortranarray(R)
    np.testing.assert_allclose(rotate(wide, turned), expected, atol=1e-14)
    assert np.array_equal(rotate(x.tolist(), R.tolist()), expected)


@pytest.mark.parametrize("R", MATRICES.values(), ids=MATRICES)
def test_strict_arrays(R):
    x = reference.coefficients(5, len(R))
    found = np.from_dlpack(assert_namespace_preserved(rotate, x, R))
    assert_close(found, rotate(x, R), 5)
    D = assert_namespace_preserved(lambda R: wigner_d(5, R), R)
    assert_close(np.from_dlpack(D), wigner_d(5, R), 5)


def test_arrays_stay_on_their_device():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    R = xp.asarray(reference.orthogonal(2), device=device)
    x = xp.ones((2, 9), dtype=xp.float32, device=device)
    assert wigner_d(2, R).device == rotate(x, R).device == device
    with pytest.raises(TypeError, match="x and R must be arrays of one library on one device"):
        rotate(xp.ones((2, 9)), R)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_torch(dtype):
    torch = pytest.importorskip("torch")
    x, R = reference.coefficients(4, 3, dtype=dtype), reference.orthogonal(3)
    found = rotate(torch.from_numpy(x), torch.from_numpy(R))
    assert found.numpy().dtype == dtype
    assert_close(found.numpy(), rotate(x, R), 4, dtype)
    D = wigner_d(4, torch.from_numpy(R).requires_grad_(True))
    assert_close(D.numpy(), wigner_d(4, R), 4)


def test_the_first_rotation_of_high_degree_is_quick():
    r, R = reference.directions(4), reference.orthogonal(4)
    Y = spherical_harmonics(100, r)
    start = time.perf_counter()
    rotated = rotate(Y, R)
    assert time.perf_counter() - start < 30.0  # two minutes by quadrature of the whole sphere
    expected = spherical_harmonics(100, np.einsum("nij,nj->ni", R, r))
    np.testing.assert_allclose(rotated, expected, rtol=0, atol=3e-12)
