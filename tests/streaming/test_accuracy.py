"""What the methods promise on streams with known answers. Directions are planted off the axes."""

import warnings

import numpy as np
import pytest

from spectralkit.datasets import make_heavy_row_stream, make_spiked_stream
from spectralkit.streaming import OrderWarning, StreamingPCA, StreamingTopEigenvector, top_eigenvector


def top_of_gram(X):
    values, vectors = np.linalg.eigh((X.T @ X).astype(np.float64))
    return values[::-1], vectors[:, ::-1].T


def error(vector, reference):
    return 1.0 - float(np.dot(vector.astype(np.float64), reference)) ** 2


# A1 of the reference stream at a fifth of its length: the error falls like 1/n^2, so the bars are 25 times
# those at 100 000 rows.
@pytest.mark.parametrize(("gap", "bar"), [(2, 25 * 1.5e-3), (4, 25 * 1e-4), (16, 25 * 2e-5)])
def test_oja_on_random_order_stream(gap, bar):
    errors = []
    for seed in range(3):
        X, _ = make_spiked_stream(20_000, 512, gap=gap, dtype=np.float32, rng=seed)
        errors.append(error(top_eigenvector(X, method="oja", rng=seed).vector, top_of_gram(X)[1][0]))
    assert np.median(errors) <= bar


def test_oja_error_falls_at_least_like_one_over_n():
    # The theory's slope is -1 against the population vector; against the sample's it is steeper.
    sizes = np.array([8_000, 16_000, 32_000, 64_000])
    errors = []
    for n in sizes:
        runs = []
        for seed in range(5):
            X, _ = make_spiked_stream(n, 64, gap=4, dtype=np.float32, rng=seed)
            runs.append(error(top_eigenvector(X, method="oja", rng=seed).vector, top_of_gram(X)[1][0]))
        errors.append(np.median(runs))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope < -1.0


@pytest.mark.parametrize("rotate", [False, True])
def test_heavy_rows_are_what_solves_the_hard_instance(rotate):
    X, v = make_heavy_row_stream(60_000, 1024, rotate=rotate, rng=3)
    kept = top_eigenvector(X, method="oja", rng=0)
    assert error(kept.vector, v) <= 1e-8
    assert kept.n_heavy == 3
    # The ablations must fail: no store, and a threshold above the heavy rows.
    assert error(top_eigenvector(X, method="oja", n_heavy=0, rng=0).vector, v) >= 0.9
    assert error(top_eigenvector(X, method="oja", heavy_threshold=2.0, rng=0).vector, v) >= 0.9


def test_block_power_keeps_heavy_rows_too():
    X, v = make_heavy_row_stream(20_000, 512, rng=1)
    assert error(top_eigenvector(X, method="block_power", rng=0).vector, v) <= 1e-8


def test_heavy_distractors_do_not_hide_the_light_direction():
    # Twenty rows of 1.1 times the light eigenvalue in random directions: without the store they are noise.
    rng = np.random.default_rng(5)
    X, _ = make_spiked_stream(30_000, 256, gap=4, rng=rng)
    noise = rng.standard_normal((20, 256))
    X[rng.choice(len(X), 20, replace=False)] = (
        noise * np.sqrt(1.1 * len(X) / np.sum(noise**2, axis=1))[:, None]
    )
    reference = top_of_gram(X)[1][0]
    kept = error(top_eigenvector(X, method="oja", rng=0).vector, reference)
    lost = error(top_eigenvector(X, method="oja", n_heavy=0, rng=0).vector, reference)
    assert kept < 2e-3
    assert kept < lost / 5


@pytest.mark.parametrize("first", [True, False])
def test_referee_on_sorted_streams(first):
    X, v = make_spiked_stream(30_000, 256, gap=4, rng=2)
    order = np.argsort(np.abs(X @ v))
    X = X[order[::-1] if first else order]
    reference = top_of_gram(X)[1][0]
    with pytest.warns(OrderWarning, match="look sorted"):
        estimator = StreamingTopEigenvector(method="oja", referee=True, random_state=0).fit(X)
    assert error(estimator.components_[0], reference) <= 5e-2


def test_no_order_warning_on_random_order(recwarn):
    for seed in range(5):
        X, _ = make_spiked_stream(30_000, 64, gap=4, rng=seed)
        StreamingTopEigenvector(method="oja", random_state=seed).fit(X)
        StreamingPCA(3, method="oja", random_state=seed).fit(X + 10)
    assert not recwarn


def test_order_warning_once_per_stream():
    X, v = make_spiked_stream(30_000, 64, gap=8, rng=0)
    X = X[np.argsort(X @ v)]
    estimator = StreamingPCA(1, method="oja", random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for block in np.array_split(X, 10):
            estimator.partial_fit(block)
    assert [warning.category for warning in caught] == [OrderWarning]


@pytest.mark.parametrize("method", ["gram", "oja", "frequent_directions", "incremental_svd"])
@pytest.mark.parametrize("center", [False, True])
def test_several_components(method, center):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    X = (rng.standard_normal((40_000, 40)) * np.r_[6, 4, 2.5, np.full(37, 1.0)]) @ basis + 3 * basis[5]
    A = X - X.mean(axis=0) if center else X
    values = top_of_gram(A)[0]
    pca = StreamingPCA(3, method=method, center=center, random_state=0).fit(X)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(3), atol=1e-12)
    held = np.sum((A @ pca.components_.T) ** 2) / values[:3].sum()
    assert held > 1 - 1e-3
    np.testing.assert_allclose(pca.frobenius_sq_, np.sum(A**2), rtol=1e-10)
    if method in ("gram", "oja", "incremental_svd"):
        np.testing.assert_allclose(pca.eigenvalues_, values[:3], rtol=1e-10 if method == "gram" else 0.1)
    divisor = len(X) - 1 if center else len(X)
    np.testing.assert_allclose(pca.explained_variance_, pca.eigenvalues_ / divisor)
    np.testing.assert_allclose(pca.explained_variance_ratio_, pca.eigenvalues_ / pca.frobenius_sq_)
    np.testing.assert_allclose(pca.singular_values_**2, pca.eigenvalues_)
    if center:
        np.testing.assert_allclose(pca.mean_, X.mean(axis=0), atol=1e-12)
    else:
        np.testing.assert_array_equal(pca.mean_, 0.0)


def test_gram_agrees_with_scikit_learn_pca():
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA

    X = load_digits().data
    ours, theirs = StreamingPCA(5, method="gram").fit(X), PCA(5, svd_solver="full").fit(X)
    np.testing.assert_allclose(np.abs(ours.components_ @ theirs.components_.T), np.eye(5), atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(ours.singular_values_, theirs.singular_values_, rtol=1e-10)


def test_gap_is_estimated():
    X, _ = make_spiked_stream(50_000, 64, gap=8, rng=0)
    values = top_of_gram(X)[0]
    for method in ("gram", "oja"):
        gap = top_eigenvector(X, method=method, rng=0).gap
        assert gap == pytest.approx(values[0] / values[1], rel=1e-6 if method == "gram" else 0.15)
    assert np.isnan(top_eigenvector(X, method="oja_grid", rng=0).gap)


def test_score_is_the_share_of_the_energy():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((500, 6)) * [5, 4, 1, 1, 1, 1] + 7
    pca = StreamingPCA(2).fit(X)
    centred = X - X.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    assert pca.score(X) == pytest.approx(np.sum(singular[:2] ** 2) / np.sum(singular**2), rel=1e-12)
    full = StreamingPCA(6).fit(X)
    np.testing.assert_allclose(full.inverse_transform(full.transform(X)), X, rtol=1e-12)
    assert full.score(X) == pytest.approx(1.0)
