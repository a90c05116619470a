"""Greedy recovery: exact answers, agreement with scikit-learn, edges."""

import numpy as np
import pytest
from sklearn.linear_model import orthogonal_mp

from spectralkit.datasets import make_kronecker_sparse
from spectralkit.recovery import kronecker_matvec, kronecker_omp
from spectralkit.testing import assert_namespace_preserved

from .reference import kron, normal, planted


def unitary(n, rng, is_complex=False):
    return np.linalg.qr(normal(rng, (n, n), is_complex))[0]


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("sizes", [(9,), (6, 7), (4, 5, 3)])
def test_orthonormal_dictionaries(sizes, is_complex):
    rng = np.random.default_rng(0)
    factors = [unitary(n, rng, is_complex) for n in sizes]
    places = [np.sort(rng.choice(n, 2, replace=False)) for n in sizes]
    support = np.ravel_multi_index(np.ix_(*places), sizes).ravel()
    coef = np.zeros(np.prod(sizes), dtype=factors[0].dtype)
    coef[support] = normal(rng, len(support), is_complex) + 2
    Y = kron(factors) @ coef
    found = kronecker_omp(Y, factors, n_nonzero=2)
    np.testing.assert_array_equal(found.support, support)
    np.testing.assert_allclose(found.coef, coef, rtol=0, atol=1e-13)
    assert found.residual < 1e-14
    assert found.converged
    tensor = kronecker_omp(Y.reshape(sizes), factors, n_nonzero=[2] * len(sizes))
    np.testing.assert_allclose(tensor.coef, found.coef, rtol=0, atol=1e-14)


def test_atoms_of_each_factor():
    Y, factors, coef = planted(
        [(30, 32), (8, 10), (20, 5)], [[3, 8], [5], [0, 1, 4]], [[2, 3], [1], [2, 2.5, 3]]
    )
    found = kronecker_omp(Y, factors, n_nonzero=[2, 1, 3])
    np.testing.assert_array_equal(found.support, np.flatnonzero(coef))
    np.testing.assert_allclose(found.coef, coef, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_scikit_learn(count):
    """For one matrix with columns of unit norm it is orthogonal matching pursuit."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        H = rng.standard_normal((20, 30))
        H /= np.linalg.norm(H, axis=0)
        y = rng.standard_normal(20)
        found = kronecker_omp(y, H, n_nonzero=count)
        expected = orthogonal_mp(H, y, n_nonzero_coefs=count)
        np.testing.assert_allclose(found.coef, expected, rtol=0, atol=1e-12)
        residual = np.linalg.norm(y - H @ expected) / np.linalg.norm(y)
        assert found.residual == pytest.approx(residual, rel=1e-9)
        assert found.n_iter == count


@pytest.mark.parametrize("n_snapshots", [None, 3])
@pytest.mark.parametrize("is_complex", [False, True])
def test_least_squares_on_the_support(is_complex, n_snapshots):
    made = make_kronecker_sparse(
        ((8, 12), (10, 15)), 2, dtype=complex if is_complex else float, n_snapshots=n_snapshots, rng=1
    )
    found = kronecker_omp(made.Y, made.dictionaries, n_nonzero=3)
    assert found.coef.shape == made.coef.shape
    assert len(found.support) == 9
    H = kron(made.dictionaries)
    expected = np.zeros_like(made.coef)
    expected[found.support] = np.linalg.lstsq(H[:, found.support], made.Y, rcond=None)[0]
    np.testing.assert_allclose(found.coef, expected, rtol=0, atol=1e-10)
    left = made.Y - kronecker_matvec(made.dictionaries, found.coef)
    assert found.residual == pytest.approx(np.linalg.norm(left) / np.linalg.norm(made.Y), rel=1e-9)
    np.testing.assert_allclose(H[:, found.support].conj().T @ left, 0, atol=1e-10)


def test_residual_falls_with_the_atoms():
    made = make_kronecker_sparse(((8, 12), (10, 15)), 4, rng=2)
    left = [kronecker_omp(made.Y, made.dictionaries, n_nonzero=k).residual for k in range(1, 7)]
    assert (np.diff(left) < 1e-12).all()


def test_tolerance():
    made = make_kronecker_sparse(((20, 25), (20, 25)), 2, snr=40, rng=0)
    found = kronecker_omp(made.Y, made.dictionaries, n_nonzero=10, tol=0.05)
    assert found.residual <= 0.05
    assert found.converged
    assert len(found.support) < 100
    whole = kronecker_omp(made.Y, made.dictionaries, n_nonzero=10, tol=1.0)
    assert len(whole.support) == 0
    assert whole.residual == 1.0
    assert not whole.coef.any()


def test_measurements_of_zeros():
    factors = [np.eye(3), np.eye(4)]
    found = kronecker_omp(np.zeros(12), factors, n_nonzero=2)
    assert not found.coef.any()
    assert found.coef.shape == (12,)
    assert len(found.support) == 0
    assert found.residual == 0
    assert found.converged
    assert found.n_iter == 0


def test_ties():
    """The first of equal ones is taken, and the same one every time."""
    y = np.array([1.0, -1.0, 1.0, 1.0])
    np.testing.assert_array_equal(kronecker_omp(y, np.eye(4), n_nonzero=1).support, [0])
    np.testing.assert_array_equal(kronecker_omp(y, np.eye(4), n_nonzero=3).support, [0, 1, 2])
    doubled = np.concatenate([np.eye(4), np.eye(4)], axis=1)
    found = kronecker_omp(y, doubled, n_nonzero=4)
    np.testing.assert_allclose(doubled @ found.coef, y, atol=1e-14)


def test_zero_columns():
    made = make_kronecker_sparse(((8, 12), (10, 15)), 2, rng=3)
    factors = [d.copy() for d in made.dictionaries]
    factors[0][:, 5] = 0
    found = kronecker_omp(made.Y, factors, n_nonzero=4)
    assert 5 not in found.support // 15
    nothing = kronecker_omp(made.Y, [0 * factors[0], factors[1]], n_nonzero=4)
    assert not nothing.coef.any()
    assert nothing.residual == 1
    assert not nothing.converged


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_scales(scale):
    made = make_kronecker_sparse(((8, 12), (10, 15)), 2, rng=3)
    plain = kronecker_omp(made.Y, made.dictionaries, n_nonzero=2)
    found = kronecker_omp(scale * made.Y, made.dictionaries, n_nonzero=2)
    np.testing.assert_array_equal(found.support, plain.support)
    np.testing.assert_allclose(found.coef / scale, plain.coef, rtol=1e-10)
    factors = [made.dictionaries[0], scale * made.dictionaries[1]]
    found = kronecker_omp(made.Y, factors, n_nonzero=2)
    np.testing.assert_allclose(found.coef * scale, plain.coef, rtol=1e-10)


def test_other_libraries():
    made = make_kronecker_sparse(((8, 12), (10, 15)), 2, rng=3, n_snapshots=2)
    plain = kronecker_omp(made.Y, made.dictionaries, n_nonzero=2)
    found = assert_namespace_preserved(
        lambda Y, A, B: kronecker_omp(Y, [A, B], n_nonzero=2), made.Y, *made.dictionaries
    )
    np.testing.assert_allclose(np.asarray(found.coef), plain.coef, rtol=1e-10, atol=1e-13)
    torch = pytest.importorskip("torch")
    tensors = [torch.asarray(d) for d in made.dictionaries]
    found = kronecker_omp(torch.asarray(made.Y), tensors, n_nonzero=2)
    assert isinstance(found.coef, torch.Tensor)
    np.testing.assert_array_equal(found.support.numpy(), plain.support)
    np.testing.assert_allclose(found.coef.numpy(), plain.coef, rtol=1e-10, atol=1e-13)


def test_single_precision():
    made = make_kronecker_sparse(((8, 12), (10, 15)), 2, rng=3)
    found = kronecker_omp(made.Y.astype("f4"), [d.astype("f4") for d in made.dictionaries], n_nonzero=2)
    assert found.coef.dtype == np.float32
    plain = kronecker_omp(made.Y, made.dictionaries, n_nonzero=2)
    np.testing.assert_allclose(found.coef, plain.coef, rtol=1e-4, atol=1e-5)
