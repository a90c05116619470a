"""Products with a Kronecker product: the one of np.kron, the adjoint, shapes, dtypes, libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from spectralkit.recovery import kronecker_matvec
from spectralkit.testing import assert_namespace_preserved, check_ratio, dottest

from .reference import kron, normal

SHAPES = [[(3, 5)], [(4, 2), (3, 6)], [(2, 3), (1, 4), (5, 2)], [(2, 2), (3, 1), (2, 4), (1, 3)]]
KINDS = {"real": (False, False), "complex": (True, True), "factors": (True, False), "vectors": (False, True)}


def problem(shapes, kind="real", seed=0, adjoint=False):
    rng = np.random.default_rng(seed)
    complex_factors, complex_vectors = KINDS[kind]
    factors = [normal(rng, shape, complex_factors) for shape in shapes]
    size = np.prod([shape[0 if adjoint else 1] for shape in shapes])
    return factors, normal(rng, size, complex_vectors)


def check_equal(found, expected, n):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    check_ratio(np.linalg.norm(found - expected), np.linalg.norm(expected), n, expected.dtype)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_np_kron(shapes, kind, adjoint):
    factors, x = problem(shapes, kind, adjoint=adjoint)
    H = kron(factors).conj().T if adjoint else kron(factors)
    check_equal(kronecker_matvec(factors, x, adjoint=adjoint), H @ x, len(x))
    X = np.stack([x, 2 * x, x[::-1]], axis=1)
    check_equal(kronecker_matvec(factors, X, adjoint=adjoint), H @ X, len(x))
    check_equal(kronecker_matvec(factors, X[:, :1], adjoint=adjoint), H @ X[:, :1], len(x))
    inner = [shape[0 if adjoint else 1] for shape in shapes]
    outer = [shape[1 if adjoint else 0] for shape in shapes]
    if len(shapes) > 1:
        found = kronecker_matvec(factors, x.reshape(inner), adjoint=adjoint)
        check_equal(found, (H @ x).reshape(outer), len(x))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
def test_adjoint(shapes, is_complex):
    factors, _ = problem(shapes, "complex" if is_complex else "real")
    operator = LinearOperator(
        kron(factors).shape,
        matvec=lambda x: kronecker_matvec(factors, x),
        rmatvec=lambda x: kronecker_matvec(factors, x, adjoint=True),
        dtype=complex if is_complex else float,
    )
    dottest(operator, rng=0)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4), is_complex=st.booleans())
def test_products_of_products(seed, count, is_complex):
    """(A ⊗ B)(C ⊗ D) = AC ⊗ BD, and factors may be grouped at will."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, (3, count))
    first = [normal(rng, (m, k), is_complex) for m, k in zip(sizes[0], sizes[1], strict=True)]
    second = [normal(rng, (k, n), is_complex) for k, n in zip(sizes[1], sizes[2], strict=True)]
    x = normal(rng, np.prod(sizes[2]), is_complex)
    found = kronecker_matvec(first, kronecker_matvec(second, x))
    scale = np.prod([np.linalg.norm(a) * np.linalg.norm(b) for a, b in zip(first, second, strict=True)])
    scale *= np.linalg.norm(x)
    together = kronecker_matvec([a @ b for a, b in zip(first, second, strict=True)], x)
    check_ratio(np.linalg.norm(found - together), scale, len(x), float)
    grouped = kronecker_matvec([kron(second)], x)
    check_ratio(np.linalg.norm(kronecker_matvec(second, x) - grouped), scale, len(x), float, threshold=100)


def test_identity_and_scalars():
    x = np.arange(12.0)
    np.testing.assert_array_equal(kronecker_matvec([np.eye(3), np.eye(4)], x), x)
    np.testing.assert_array_equal(kronecker_matvec([np.array([[2.0]]), np.eye(12)], x), 2 * x)
    np.testing.assert_array_equal(kronecker_matvec(np.eye(12), x), x)
    np.testing.assert_array_equal(kronecker_matvec(np.stack([np.eye(3)] * 2), x[:9]), x[:9])


def test_a_square_tensor_of_the_right_length_is_columns():
    """Of first length N it is columns, whatever else it might be."""
    factors = [np.ones((1, 1)), np.array([[3.0]])]
    assert kronecker_matvec(factors, np.ones((1, 1))).shape == (1, 1)
    factors, x = problem([(4, 6), (2, 1)])
    np.testing.assert_allclose(kronecker_matvec(factors, x[:, None]), kron(factors) @ x[:, None])


@pytest.mark.parametrize("shape", ["vector", "columns", "tensor"])
def test_out(shape):
    factors, x = problem([(4, 2), (3, 6)])
    X = {"vector": x, "columns": np.stack([x, -x], axis=1), "tensor": x.reshape(2, 6)}[shape]
    expected = kronecker_matvec(factors, X)
    out = np.full_like(expected, np.nan)
    assert kronecker_matvec(factors, X, out=out) is out
    np.testing.assert_array_equal(out, expected)
    strided = np.full((2 * len(expected), *expected.shape[1:]), np.nan)[::2]
    np.testing.assert_array_equal(kronecker_matvec(factors, X, out=strided), expected)


def test_out_may_be_the_vector():
    factors, x = problem([(3, 3), (4, 4)])
    expected = kronecker_matvec(factors, x)
    assert kronecker_matvec(factors, x, out=x) is x
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        ("float16", "float16"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("complex64", "complex64"),
        ("complex128", "complex128"),
        ("int8", "float64"),
        ("int64", "float64"),
        ("uint32", "float64"),
        ("bool", "float64"),
    ],
)
def test_dtypes(given_dtype, expected):
    rng = np.random.default_rng(0)
    factors = [rng.integers(0, 3, shape).astype(given_dtype) for shape in [(3, 4), (2, 5)]]
    x = rng.integers(0, 3, 20).astype(given_dtype)
    found = kronecker_matvec(factors, x)
    assert found.dtype == expected
    exact = kron([factor.astype(complex) for factor in factors]) @ x.astype(complex)
    np.testing.assert_array_equal(found, exact.astype(expected) if "complex" in expected else exact.real)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (("float32", "float64", "float32"), "float64"),
        (("float32", "complex64", "float32"), "complex64"),
        (("float64", "complex64", "float32"), "complex128"),
        (("float32", "float32", "int64"), "float64"),
        (("float16", "float16", "float32"), "float32"),
    ],
)
def test_mixed_dtypes(dtypes, expected):
    factors = [np.ones((2, 3), dtypes[0]), np.ones((2, 2), dtypes[1])]
    found = kronecker_matvec(factors, np.ones(6, dtypes[2]))
    assert found.dtype == expected
    np.testing.assert_array_equal(found, 6)


def test_half_precision_is_multiplied_in_single():
    """Sums of 4096 ones stop at 2048 in float16."""
    assert kronecker_matvec([np.ones((1, 4096), np.float16)], np.ones(4096, np.float16))[0] == 4096


def test_memory_layouts():
    factors, x = problem([(4, 2), (3, 6)])
    expected = kronecker_matvec(factors, np.stack([x, -x], axis=1))
    wide = [np.asfortranarray(factors[0]), np.repeat(factors[1], 2, axis=1)[:, ::2][::-1][::-1]]
    X = np.asfortranarray(np.stack([x, -x], axis=1))
    for array in (*wide, X):
        array.flags.writeable = False
    np.testing.assert_array_equal(kronecker_matvec(wide, X), expected)
    np.testing.assert_array_equal(kronecker_matvec([f.tolist() for f in factors], X.tolist()), expected)


def test_vectors_that_are_not_finite():
    x = np.array([1.0, np.nan, 2.0, np.inf])
    found = kronecker_matvec([np.eye(2), np.array([[1.0, 0.0]])], x)
    assert np.isnan(found).all()
    assert np.isinf(kronecker_matvec([np.ones((1, 1)), np.ones((1, 2))], x[2:])).all()


def test_array_api_strict():
    factors, x = problem([(4, 2), (3, 6)])
    tensor = x.reshape(2, 6)
    for X, adjoint in ((x, False), (np.stack([x, -x], axis=1), False), (tensor, False), (x, True)):
        used = [f.T for f in factors] if adjoint else factors
        found = assert_namespace_preserved(
            lambda A, B, X, adjoint=adjoint: kronecker_matvec([A, B], X, adjoint=adjoint), *used, X
        )
        np.testing.assert_allclose(
            np.asarray(found), kronecker_matvec(used, X, adjoint=adjoint), rtol=1e-13, atol=1e-13
        )


def test_torch():
    torch = pytest.importorskip("torch")
    for dtype in ("float32", "float64", "complex128"):
        factors, x = problem([(4, 2), (3, 6)], "complex" if dtype == "complex128" else "real")
        factors, x = [f.astype(dtype) for f in factors], x.astype(dtype)
        tensors = [torch.asarray(f) for f in factors]
        found = kronecker_matvec(tensors, torch.asarray(x))
        assert isinstance(found, torch.Tensor)
        assert found.dtype == getattr(torch, dtype)
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(
            found.numpy(), kronecker_matvec(factors, x), rtol=tolerance, atol=tolerance
        )
        with pytest.raises(TypeError, match=r"(?i)librar|torch"):
            kronecker_matvec(tensors, x)
        with pytest.raises(TypeError, match=r"(?i)librar|torch"):
            kronecker_matvec([tensors[0], factors[1]], torch.asarray(x))
    with pytest.raises(TypeError, match="out must be a NumPy or CuPy array"):
        kronecker_matvec(tensors, torch.asarray(x), out=torch.empty(12, dtype=torch.complex128))
    grown = torch.asarray(x.real).requires_grad_()
    assert not kronecker_matvec(tensors, grown).requires_grad
