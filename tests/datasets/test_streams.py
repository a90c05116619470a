import numpy as np
import pytest

from spectralkit.datasets import make_heavy_row_stream, make_spiked_stream


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_spiked_shapes(dtype):
    X, v = make_spiked_stream(10, 3, dtype=dtype, rng=0)
    assert X.shape == (10, 3)
    assert X.dtype == dtype
    assert v.dtype == np.float64
    assert np.linalg.norm(v) == pytest.approx(1)


def test_spiked_covariance():
    n, d, gap = 50_000, 6, 5.0
    X, v = make_spiked_stream(n, d, gap=gap, rng=0)
    expected = np.eye(d) + (gap - 1) * np.outer(v, v)
    # Standard error of an entry: sqrt((s_ii s_jj + s_ij^2) / n) <= gap sqrt(2/n).
    assert np.abs(X.T @ X / n - expected).max() < 4.5 * gap * np.sqrt(2 / n)
    assert np.abs(X.mean(axis=0)).max() < 4.5 * np.sqrt(gap / n)


def test_spiked_top_eigenvector_is_at_the_documented_distance():
    n, d, gap = 20_000, 50, 4.0
    X, v = make_spiked_stream(n, d, gap=gap, rng=1)
    top = np.linalg.eigh(X.T @ X)[1][:, -1]
    assert 1 - (v @ top) ** 2 == pytest.approx(gap * d / (n * (gap - 1) ** 2), rel=1.0)


def test_spiked_direction_is_off_the_axes():
    directions = np.array([make_spiked_stream(1, 100, rng=seed)[1] for seed in range(50)])
    assert np.abs(directions).max() < 0.6
    assert len(np.unique(np.abs(directions).argmax(axis=1))) > 20


def test_spiked_rows_do_not_depend_on_how_many_there_are():
    long, v = make_spiked_stream(9000, 4, rng=3)
    short, w = make_spiked_stream(5000, 4, rng=3)
    np.testing.assert_array_equal(v, w)
    np.testing.assert_array_equal(long[:5000], short)


def test_spiked_without_gap_is_white():
    X, _ = make_spiked_stream(20_000, 3, gap=1, rng=0)
    np.testing.assert_allclose(X.T @ X / 20_000, np.eye(3), atol=4.5 * np.sqrt(2 / 20_000))


def test_spiked_out(tmp_path):
    expected, _ = make_spiked_stream(5000, 4, dtype="float32", rng=0)
    out = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float32, shape=(5000, 4))
    X, _ = make_spiked_stream(5000, 4, dtype="float32", out=out, rng=0)
    assert X is out
    np.testing.assert_array_equal(X, expected)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "X.h5", "w") as file:
        dataset = file.create_dataset("X", (5000, 4), "float32")
        make_spiked_stream(5000, 4, dtype="float32", out=dataset, rng=0)
        np.testing.assert_array_equal(dataset[:], expected)


@pytest.mark.parametrize("n", [1026, 1027, 2000, 5000])
def test_heavy_gap_is_exact(n):
    X, v = make_heavy_row_stream(n, 1024, gap=3, rng=0)
    assert X.shape == (n, 1024)
    diagonal = np.sort(np.sum(X**2, axis=0))
    assert diagonal[-1] / diagonal[-2] == pytest.approx(3, rel=1e-14)
    assert np.argmax(v) == np.argmax(np.sum(X**2, axis=0))
    assert np.count_nonzero(X) == n  # one coordinate per row


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gap", [2, 5])
def test_heavy_rotated(gap, dtype):
    X, v = make_heavy_row_stream(400, 30, gap=gap, rotate=True, dtype=dtype, rng=0)
    assert X.dtype == dtype
    values, vectors = np.linalg.eigh(X.T.astype(float) @ X.astype(float))
    tol = 100 * float(np.finfo(dtype).eps)
    assert values[-1] / values[-2] == pytest.approx(gap, rel=tol)
    assert abs(vectors[:, -1] @ v) == pytest.approx(1, abs=tol)
    assert np.abs(v).max() < 0.9
    norms = np.sort(np.linalg.norm(X, axis=1))
    np.testing.assert_allclose(norms[:-gap], 1, rtol=tol)
    np.testing.assert_allclose(norms[-gap:], np.sqrt(np.ceil((400 - gap) / 29)), rtol=tol)


def test_heavy_direction_is_never_the_first():
    places = {int(np.argmax(make_heavy_row_stream(10, 5, rng=seed)[1])) for seed in range(100)}
    assert places == {1, 2, 3, 4}


def test_heavy_rows_are_in_random_order():
    X, v = make_heavy_row_stream(5000, 100, gap=50, rng=0)
    heavy = np.flatnonzero(X @ v)
    assert len(heavy) == 50
    assert heavy.min() < 1000
    assert heavy.max() > 4000


@pytest.mark.parametrize("make", [make_spiked_stream, make_heavy_row_stream])
def test_same_seed_same_stream(make):
    first, second, other = (make(100, 20, rng=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert (
        make(100, 20, rng=np.random.default_rng(0))[0] == make(100, 20, rng=np.random.default_rng(0))[0]
    ).all()


@pytest.mark.parametrize(
    ("make", "changes", "error", "name"),
    [
        (make_spiked_stream, {"n_samples": 0}, ValueError, "n_samples"),
        (make_spiked_stream, {"n_features": 2.0}, TypeError, "n_features"),
        (make_spiked_stream, {"gap": 0.5}, ValueError, "gap"),
        (make_spiked_stream, {"dtype": "int64"}, ValueError, "dtype"),
        (make_spiked_stream, {"out": np.empty((3, 3))}, ValueError, "out"),
        (make_spiked_stream, {"rng": -1}, ValueError, "rng"),
        (make_heavy_row_stream, {"n_samples": 20}, ValueError, "n_samples"),
        (make_heavy_row_stream, {"n_features": 2}, ValueError, "n_features"),
        (make_heavy_row_stream, {"gap": 1}, ValueError, "gap"),
        (make_heavy_row_stream, {"gap": 2.5}, TypeError, "gap"),
        (make_heavy_row_stream, {"dtype": complex}, ValueError, "dtype"),
    ],
)
def test_wrong(make, changes, error, name):
    with pytest.raises(error, match=f"^{name} must be "):
        make(**{"n_samples": 100, "n_features": 20, **changes})
