"""Scale, precision, degenerate shapes, symmetries, and array libraries."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spectralkit.datasets import make_spiked_stream
from spectralkit.streaming import StreamingPCA, StreamingTopEigenvector, frequent_directions, top_eigenvector
from spectralkit.testing import check_ratio

METHODS = ["oja", "block_power", "oja_grid", "frequent_directions", "incremental_svd", "gram"]
ACCURATE = ["oja", "frequent_directions", "incremental_svd", "gram"]


@pytest.fixture(scope="module")
def stream():
    return make_spiked_stream(5000, 24, gap=9, rng=0)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("scale", [2.0**500, 2.0**-500, 1e150, 1e-150, 1e290, 1e-290])
def test_scale(stream, method, center, scale):
    plain = StreamingTopEigenvector(method=method, center=center, random_state=0).fit(stream)
    scaled = StreamingTopEigenvector(method=method, center=center, random_state=0).fit(stream * scale)
    np.testing.assert_allclose(scaled.components_, plain.components_, atol=1e-9)
    np.testing.assert_allclose(scaled.singular_values_, plain.singular_values_ * scale, rtol=1e-9)
    np.testing.assert_allclose(scaled.explained_variance_ratio_, plain.explained_variance_ratio_, rtol=1e-9)
    if center:
        np.testing.assert_allclose(scaled.mean_, plain.mean_ * scale, rtol=1e-6, atol=1e-12 * scale)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e18, 1e-18, 1e30, 1e-30])
def test_scale_float32(stream, method, scale):
    X = stream.astype(np.float32)
    plain = top_eigenvector(X, method=method, rng=0).vector
    scaled = top_eigenvector(X * np.float32(scale), method=method, rng=0)
    np.testing.assert_allclose(scaled.vector, plain, atol=2e-5)
    assert np.isfinite(scaled.eigenvalue)
    assert scaled.eigenvalue > 0


@pytest.mark.filterwarnings("ignore::spectralkit.streaming.OrderWarning")
@pytest.mark.parametrize("method", METHODS)
def test_scale_that_changes_within_the_stream(stream, method):
    # The second half outweighs the first by 1e400: only it counts.
    X = np.concatenate((stream * 1e-200, stream * 1e200))
    estimator = StreamingTopEigenvector(method=method, random_state=0).fit(X)
    late = StreamingTopEigenvector(method=method, random_state=0).fit(stream)
    assert abs(estimator.components_[0] @ late.components_[0]) > 1 - 2e-2
    tail = StreamingTopEigenvector(method=method, random_state=0).fit(
        np.concatenate((stream, stream * 1e-200))
    )
    assert abs(tail.components_[0] @ late.components_[0]) > 1 - 2e-2


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_agrees_with_double(stream, method):
    wide = top_eigenvector(stream.astype(np.float32).astype(np.float64), method=method, rng=0)
    narrow = top_eigenvector(stream.astype(np.float32), method=method, rng=0)
    assert narrow.vector.dtype == np.float32
    np.testing.assert_allclose(narrow.vector, wide.vector, atol=1e-6)
    assert narrow.eigenvalue == pytest.approx(wide.eigenvalue, rel=1e-9)


def test_float32_sums_are_kept_in_double():
    # In single precision the second row would be lost 2^25 times over.
    X = np.ones((70_000, 2), np.float32)
    X[:, 1] = 1e-4
    X[0, 0] = 2.0**14
    for method in ("gram", "oja"):
        total = StreamingTopEigenvector(method=method, random_state=0).fit(X).frobenius_sq_
        assert total == pytest.approx(float(np.sum(X.astype(np.float64) ** 2)), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        ("float16", "float16"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("int16", "float64"),
        ("bool", "float64"),
    ],
)
def test_dtypes(stream, method, given_dtype, expected):
    X = (stream * 4).astype(given_dtype) if given_dtype != "bool" else stream > 0
    result = top_eigenvector(X, method=method, rng=0)
    assert result.vector.dtype == expected
    reference = top_eigenvector(X.astype(np.float64), method=method, rng=0).vector
    np.testing.assert_allclose(
        result.vector.astype(np.float64), reference, atol=1e-3 if expected == "float16" else 1e-6
    )


@pytest.mark.parametrize("method", ACCURATE)
def test_complex_by_conjugation(method):
    rng = np.random.default_rng(0)
    v = rng.standard_normal(15) + 1j * rng.standard_normal(15)
    v /= np.linalg.norm(v)
    X = rng.standard_normal((8000, 15)) + 1j * rng.standard_normal((8000, 15))
    X += 3 * (X @ v)[:, None] * v.conj()[None, :]
    for A in (X, X.astype(np.complex64), sp.csr_matrix(X)):
        result = top_eigenvector(A, method=method, rng=0)
        gram = X.conj().T @ X
        residual = np.linalg.norm(
            gram @ result.vector - np.vdot(result.vector, gram @ result.vector) * result.vector
        )
        assert residual <= 2e-2 * np.linalg.norm(gram, 2)
        peak = result.vector[np.argmax(np.abs(result.vector))]
        assert abs(peak.imag) < 1e-6
        assert peak.real > 0
    assert result.eigenvalue == pytest.approx(np.linalg.norm(X, 2) ** 2, rel=3e-2)


@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(METHODS), center=st.booleans())
def test_few_rows_are_solved_exactly(seed, method, center):
    """A stream of one block is solved exactly by every method."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 30)), int(rng.integers(2, 12))
    X = rng.standard_normal((n, d)) + center
    A = X - X.mean(axis=0) if center else X
    estimator = StreamingTopEigenvector(method=method, center=center, random_state=0).fit(X)
    largest = np.linalg.norm(A, 2)
    ritz = np.linalg.norm(A @ estimator.components_[0])
    check_ratio(abs(largest - ritz), largest, max(n, d), np.float64)
    check_ratio(abs(estimator.singular_values_[0] - largest), largest, max(n, d), np.float64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 5, 600])
@pytest.mark.parametrize("d", [1, 2, 7])
@pytest.mark.parametrize("center", [False, True])
def test_small_shapes(method, n, d, center):
    X = np.random.default_rng(0).standard_normal((n, d)) + 2
    estimator = StreamingTopEigenvector(method=method, center=center, random_state=0).fit(X)
    assert estimator.components_.shape == (1, d)
    assert np.linalg.norm(estimator.components_) == pytest.approx(1.0)
    assert np.isfinite(estimator.eigenvalues_).all()
    if d == 1:
        np.testing.assert_allclose(estimator.components_, [[1.0]])
        assert estimator.gap_ == np.inf
    if n == 1 and not center:
        np.testing.assert_allclose(np.abs(X[0] @ estimator.components_[0]), np.linalg.norm(X[0]))


@pytest.mark.parametrize("method", ["oja", "frequent_directions", "incremental_svd", "gram"])
def test_all_components(method):
    X = np.random.default_rng(0).standard_normal((700, 4)) * [8, 4, 2, 1]
    pca = StreamingPCA(4, method=method, random_state=0).fit(X)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(4), atol=1e-12)
    assert pca.transform(X).shape == (700, 4)
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(X)), X, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_zero_rows_change_nothing_but_the_count(stream, method):
    zeros = np.zeros((1000, 24))
    result = top_eigenvector(zeros, method=method, rng=0)
    assert result.eigenvalue == 0.0
    assert np.linalg.norm(result.vector) == pytest.approx(1.0)
    padded = np.concatenate((zeros, stream, zeros))
    if method in ACCURATE:
        found = top_eigenvector(padded, method=method, rng=0)
        assert found.n_samples == 7000
        plain = top_eigenvector(stream, method=method, rng=0)
        assert abs(found.vector @ plain.vector) > 1 - 2e-2


@pytest.mark.parametrize("method", ACCURATE)
def test_ties_leave_the_rayleigh_quotient(method):
    # Two equal eigenvalues: any vector of the plane will do.
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    X = (rng.standard_normal((20_000, 20)) * np.r_[3, 3, np.ones(18)]) @ basis
    v = top_eigenvector(X, method=method, rng=0).vector
    assert np.linalg.norm(X @ v) ** 2 > 0.98 * np.linalg.norm(X, 2) ** 2


@pytest.mark.parametrize("method", ACCURATE)
def test_rotation_moves_the_answer_along(stream, method):
    rng = np.random.default_rng(1)
    U = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    plain, rotated = (top_eigenvector(A, method=method, rng=0).vector for A in (stream, stream @ U))
    tolerance = 1e-9 if method != "oja" else 2e-2  # Oja's random columns do not rotate along
    assert abs(rotated @ (U.T @ plain)) > 1 - tolerance


@pytest.mark.parametrize("method", ACCURATE)
def test_signs_of_rows_do_not_matter(stream, method):
    flips = np.random.default_rng(0).choice([-1.0, 1.0], size=(len(stream), 1))
    plain, flipped = (top_eigenvector(A, method=method, rng=0).vector for A in (stream, stream * flips))
    np.testing.assert_allclose(flipped, plain, atol=1e-9)


def test_large_mean_does_not_cancel():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 10)) * np.r_[3, np.ones(9)]
    for method in ("gram", "oja", "incremental_svd"):
        near = StreamingPCA(1, method=method, random_state=0).fit(X)
        far = StreamingPCA(1, method=method, random_state=0).fit(X + 1e8)
        np.testing.assert_allclose(far.components_, near.components_, atol=1e-5)
        np.testing.assert_allclose(far.explained_variance_, near.explained_variance_, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_other_array_libraries_take_the_generic_path(stream, method, center):
    xs = pytest.importorskip("array_api_strict")
    host = top_eigenvector(stream[:1500], method=method, rng=0, center=center)
    strict = top_eigenvector(xs.asarray(stream[:1500]), method=method, rng=0, center=center)
    assert type(strict.vector) is type(xs.asarray([1.0]))
    # The compiled and the generic path agree: the one is the oracle of the other.
    check_ratio(float(np.linalg.norm(np.from_dlpack(strict.vector) - host.vector)), 1.0, 1500, np.float64)
    sketch = frequent_directions(xs.asarray(stream[:300]), 6).sketch
    np.testing.assert_allclose(np.from_dlpack(sketch), frequent_directions(stream[:300], 6).sketch, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_torch(stream, method):
    torch = pytest.importorskip("torch")
    host = top_eigenvector(stream[:1500], method=method, rng=0)
    tensor = top_eigenvector(torch.asarray(stream[:1500]), method=method, rng=0)
    assert isinstance(tensor.vector, torch.Tensor)
    np.testing.assert_allclose(tensor.vector.numpy(), host.vector, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cupy_agrees_with_numpy(stream, method, dtype):
    cupy = pytest.importorskip("cupy")
    X = stream.astype(dtype)
    host, device = (top_eigenvector(A, method=method, rng=0) for A in (X, cupy.asarray(X)))
    assert isinstance(device.vector, cupy.ndarray)
    assert device.vector.dtype == dtype
    np.testing.assert_allclose(device.vector.get(), host.vector, atol=1e-5)


@given(
    X=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(width=64, allow_nan=True),
    ),
    method=st.sampled_from(METHODS),
    center=st.booleans(),
)
def test_any_elements_give_an_answer_or_a_named_error(X, method, center):
    if np.isfinite(X).all():
        result = top_eigenvector(X, method=method, rng=0, center=center)
        assert np.linalg.norm(result.vector) == pytest.approx(1.0)
        assert result.eigenvalue >= 0
    else:
        with pytest.raises(ValueError, match="finite"):
            top_eigenvector(X, method=method, rng=0, center=center)


@pytest.mark.filterwarnings("ignore::spectralkit.streaming.OrderWarning")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_one_row_outweighs_all_others(method, center):
    for place in (0, 300, 2000, 2559, 2560):
        X = np.random.default_rng(place).standard_normal((2561, 8))
        X[place] *= 1e200
        found = top_eigenvector(X, method=method, rng=0, center=center).vector
        assert abs(found @ (X[place] / 1e200)) > (1 - 1e-3) * np.linalg.norm(X[place] / 1e200)


@pytest.mark.parametrize("method", METHODS)
def test_subnormal_rows_after_zeros(stream, method):
    estimator = StreamingTopEigenvector(method=method, random_state=0).partial_fit(np.zeros((600, 24)))
    estimator.partial_fit(stream * 1e-318)
    assert estimator.singular_values_[0] > 0


def test_fewer_rows_than_components():
    X = np.random.default_rng(0).standard_normal((3, 8))
    for method in ("oja", "gram", "frequent_directions", "incremental_svd"):
        pca = StreamingPCA(5, method=method).fit(X)
        assert pca.components_.shape == (5, 8)
        np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(5), atol=1e-9)


def test_centred_sparse_gram_does_not_cancel(stream):
    dense = StreamingPCA(2, method="gram").fit(stream + 1e6)
    sparse = StreamingPCA(2, method="gram").fit(sp.csr_matrix(stream + 1e6))
    np.testing.assert_allclose(sparse.eigenvalues_, dense.eigenvalues_, rtol=1e-9)


def test_figures_have_the_dtype_of_the_components(stream):
    pca = StreamingPCA(2).fit(stream.astype(np.float32))
    for name in (
        "components_",
        "mean_",
        "singular_values_",
        "explained_variance_",
        "explained_variance_ratio_",
    ):
        assert getattr(pca, name).dtype == np.float32, name
    assert pca.eigenvalues_.dtype == np.float64  # a sum over the stream, which may overflow float32
    assert pca.transform(stream.astype(np.float16)).dtype == np.float16


def test_torch_graphs_are_not_kept(stream):
    torch = pytest.importorskip("torch")
    X = torch.asarray(stream[:600]).requires_grad_()
    assert not StreamingPCA(2, method="oja").fit(X).components_.requires_grad
