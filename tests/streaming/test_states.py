"""States: merging, cutting, saving, and calls that leave no trace."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from spectralkit.datasets import make_spiked_stream
from spectralkit.streaming import (
    StreamingPCA,
    StreamingTopEigenvector,
    load_state,
    top_eigenvector,
    tree_merge,
)

METHODS = ["oja", "block_power", "oja_grid", "frequent_directions", "incremental_svd", "gram"]
MERGEABLE = ["oja", "frequent_directions", "incremental_svd", "gram"]


@pytest.fixture(scope="module")
def stream():
    return make_spiked_stream(12_000, 30, gap=6, rng=0)[0] + 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_cutting_the_stream_changes_no_bit(stream, method, center):
    whole = StreamingTopEigenvector(method=method, center=center, random_state=0).fit(stream)
    cuts = [0, 1, 2, 255, 256, 700, 701, 5000, 12_000]
    pieces = StreamingTopEigenvector(method=method, center=center, random_state=0)
    for first, last in itertools.pairwise(cuts):
        pieces.partial_fit(stream[first:last])
    np.testing.assert_array_equal(whole.components_, pieces.components_)
    np.testing.assert_array_equal(whole.eigenvalues_, pieces.eigenvalues_)
    assert pieces.n_samples_seen_ == len(stream)


@pytest.mark.parametrize("method", METHODS)
def test_block_of_one_row(stream, method):
    # Blocks of one row are the classical row-wise rule: slow, but it must not break down.
    estimator = StreamingTopEigenvector(method=method, block_size=1, random_state=0).fit(stream[:300])
    assert np.isfinite(estimator.components_).all()
    assert np.linalg.norm(estimator.components_) == pytest.approx(1.0)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_gram_merges_exactly(stream, center, workers):
    whole = StreamingPCA(3, method="gram", center=center).fit(stream)
    merged = tree_merge(
        [StreamingPCA(3, method="gram", center=center).fit(p) for p in np.array_split(stream, workers)]
    )
    np.testing.assert_allclose(merged.eigenvalues_, whole.eigenvalues_, rtol=1e-12)
    np.testing.assert_allclose(merged.components_[0], whole.components_[0], atol=1e-10)
    assert merged.n_samples_seen_ == len(stream)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("workers", [2, 4, 7])
def test_oja_merges_to_its_own_accuracy(stream, center, workers):
    A = stream - stream.mean(axis=0) if center else stream
    reference = np.linalg.eigh(A.T @ A)[1][:, -1]
    parts = [
        StreamingTopEigenvector(method="oja", center=center, random_state=i).fit(part)
        for i, part in enumerate(np.array_split(stream, workers))
    ]
    merged = tree_merge(parts)
    assert 1 - (merged.components_[0] @ reference) ** 2 < 2e-2
    np.testing.assert_allclose(merged.frobenius_sq_, np.sum(A**2), rtol=1e-10)
    if center:
        np.testing.assert_allclose(merged.mean_, stream.mean(axis=0), atol=1e-12)
    # The parts are not changed.
    assert parts[0].n_samples_seen_ < len(stream)


@pytest.mark.parametrize("method", MERGEABLE)
def test_merge_with_a_handful_of_rows(stream, method):
    few = StreamingPCA(2, method=method, random_state=0).partial_fit(stream[:3])
    many = StreamingPCA(2, method=method, random_state=0).partial_fit(stream[3:])
    assert few.merge(many).n_samples_seen_ == len(stream)
    A = stream - stream.mean(axis=0)
    np.testing.assert_allclose(few.frobenius_sq_, np.sum(A**2), rtol=1e-9)


@pytest.mark.parametrize("method", MERGEABLE)
def test_merge_of_shards_of_constant_rows(method):
    left = StreamingPCA(1, method=method, random_state=0).fit(np.tile([1.0, 0, 0, 0], (300, 1)))
    right = StreamingPCA(1, method=method, random_state=0).fit(np.tile([0, 1.0, 0, 0], (300, 1)))
    left.merge(right)
    np.testing.assert_allclose(np.abs(left.components_[0]), np.array([1, 1, 0, 0]) / np.sqrt(2), atol=1e-9)
    np.testing.assert_allclose(left.eigenvalues_, [300.0], rtol=1e-9)


@pytest.mark.parametrize("method", ["block_power", "oja_grid"])
def test_sequential_methods_say_that_they_do_not_merge(stream, method):
    first, second = (StreamingTopEigenvector(method=method).fit(part) for part in np.array_split(stream, 2))
    with pytest.raises(ValueError, match=f"can be merged; got '{method}'"):
        first.merge(second)
    assert first.n_samples_seen_ == 6000


def test_merge_of_other_parameters_raises(stream):
    first = StreamingPCA(2, method="frequent_directions", sketch_size=8).fit(stream)
    for other in (
        StreamingPCA(2, method="frequent_directions", sketch_size=9).fit(stream),
        StreamingPCA(2, method="gram").fit(stream),
        StreamingPCA(2, method="frequent_directions", sketch_size=8).fit(stream[:, :5]),
    ):
        before = first.state_
        with pytest.raises(ValueError, match="other must be"):
            first.merge(other)
        assert first.state_ is before
    with pytest.raises(TypeError, match="other must be"):
        first.merge(StreamingTopEigenvector().fit(stream))
    with pytest.raises(ValueError, match="at least one state"):
        tree_merge([])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sparse", [False, True])
def test_save_and_load(tmp_path, stream, method, sparse):
    X = sp.csr_matrix(stream) if sparse else stream
    estimator = StreamingTopEigenvector(method=method, random_state=0, center=True).fit(X[:1000])
    estimator.state_.save(tmp_path / "state.npz")
    again = StreamingTopEigenvector.from_state(load_state(tmp_path / "state.npz"))
    np.testing.assert_array_equal(again.components_, estimator.components_)
    estimator.partial_fit(X[1000:2000])
    again.partial_fit(X[1000:2000])
    np.testing.assert_array_equal(again.components_, estimator.components_)


def test_load_rejects_other_files(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(ValueError, match="save has written"):
        load_state(tmp_path / "other.npz")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 500, 1999])
def test_a_failed_partial_fit_leaves_no_trace(stream, method, bad, row):
    estimator = StreamingTopEigenvector(method=method, random_state=0).partial_fit(stream[:1000])
    before, components = dict(vars(estimator)), estimator.components_.copy()
    X = stream[1000:3000].copy()
    X[row, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        estimator.partial_fit(X)
    with pytest.raises(ValueError, match="features"):
        estimator.partial_fit(stream[:10, :4])
    with pytest.raises(ValueError, match="finite"):
        estimator.fit(iter([stream[:300], X]))
    assert vars(estimator) == before
    np.testing.assert_array_equal(estimator.components_, components)
    fresh = StreamingTopEigenvector(method=method)
    with pytest.raises(ValueError, match="finite"):
        fresh.partial_fit(X)
    assert not hasattr(fresh, "n_features_in_")


def test_a_held_state_is_not_changed_by_later_rows(stream):
    estimator = StreamingPCA(2, method="gram").partial_fit(stream[:9000])
    held = estimator.state_
    gram = held.main.gram.copy()
    estimator.partial_fit(stream)
    np.testing.assert_array_equal(held.main.gram, gram)


def test_caller_may_reuse_its_buffer(stream):
    buffer = np.empty((100, 30))
    estimator = StreamingPCA(2, method="gram")
    for first in range(0, 1000, 100):
        buffer[:] = stream[first : first + 100]
        estimator.partial_fit(buffer)
        buffer[:] = np.nan
    np.testing.assert_array_equal(
        estimator.components_, StreamingPCA(2, method="gram").fit(stream[:1000]).components_
    )


def test_same_seed_same_bytes(stream):
    runs = [top_eigenvector(stream, method="oja", rng=7).vector for _ in range(2)]
    np.testing.assert_array_equal(*runs)
    assert not np.array_equal(runs[0], top_eigenvector(stream, method="oja", rng=8).vector)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("rows", [100, 256, 257, 512])
def test_oja_merges_shards_of_about_one_block(center, rows):
    """A shard of exactly one block has nothing but its start: that must carry its weight in the merge."""
    X, _ = make_spiked_stream(8192, 64, gap=13, rng=0)
    reference = np.linalg.eigh(X.T @ X)
    parts = [
        StreamingTopEigenvector(method="oja", center=center, random_state=i).fit(X[first : first + rows])
        for i, first in enumerate(range(0, len(X), rows))
    ]
    merged = tree_merge(parts)
    assert 1 - (merged.components_[0] @ reference[1][:, -1]) ** 2 < 1e-3
    assert merged.eigenvalues_[0] == pytest.approx(reference[0][-1], rel=0.1)


@pytest.mark.parametrize("n", [255, 256, 257])
@pytest.mark.parametrize("center", [False, True])
def test_oja_around_the_first_block(n, center):
    X, _ = make_spiked_stream(n, 40, gap=13, rng=1)
    A = X - X.mean(axis=0) if center else X
    values, vectors = np.linalg.eigh(A.T @ A)
    estimator = StreamingTopEigenvector(method="oja", center=center, random_state=0).fit(X)
    assert 1 - (estimator.components_[0] @ vectors[:, -1]) ** 2 < 1e-2
    assert estimator.eigenvalues_[0] == pytest.approx(values[-1], rel=0.05)


@pytest.mark.parametrize("method", MERGEABLE)
def test_merge_at_a_tiny_scale_with_a_state_of_pending_rows(stream, method):
    X = stream * 1e-200
    merged = StreamingPCA(1, method=method, random_state=0).fit(X[:11_000])
    merged.merge(StreamingPCA(1, method=method, random_state=0).fit(X[11_000:11_030]))
    whole = StreamingPCA(1, method=method, random_state=0).fit(X[:11_030])
    np.testing.assert_allclose(merged.singular_values_, whole.singular_values_, rtol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_no_state_holds_the_callers_memory(method):
    X = np.random.default_rng(0).standard_normal((600, 8))
    X[300] *= 1e6
    estimator = StreamingTopEigenvector(method=method, random_state=0).fit(X)
    state, components = estimator.state_, estimator.components_.copy()
    X[:] = 0
    np.testing.assert_array_equal(StreamingTopEigenvector.from_state(state).components_, components)


def test_changed_parameters_need_a_new_fit(stream):
    pca = StreamingPCA(2, method="oja").fit(stream)
    pca.set_params(n_components=3)
    with pytest.raises(ValueError, match="Call fit to start anew"):
        pca.partial_fit(stream)
    assert pca.fit(stream).components_.shape == (3, 30)


def test_feature_names_follow_the_fit(stream):
    pd = pytest.importorskip("pandas")
    names = [f"x{j}" for j in range(30)]
    pca = StreamingPCA(2).fit(pd.DataFrame(stream, columns=names))
    other = StreamingPCA(2).fit(pd.DataFrame(stream, columns=names[::-1]))
    with pytest.raises(ValueError, match="fitted on the features"):
        pca.merge(other)
    pca.fit(iter([stream[:, :5]]))
    assert pca.n_features_in_ == 5
    assert not hasattr(pca, "feature_names_in_")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_load_of_a_damaged_file(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ValueError, match="save has written"):
        load_state(tmp_path / "bad.npz")


def test_keyboard_interrupt_leaves_no_trace(stream):
    def interrupted():
        yield stream[:500]
        raise KeyboardInterrupt

    estimator = StreamingPCA(2, method="oja", random_state=0).partial_fit(stream[:1000])
    before = dict(vars(estimator))
    with pytest.raises(KeyboardInterrupt):
        estimator.partial_fit(interrupted())
    assert vars(estimator) == before
