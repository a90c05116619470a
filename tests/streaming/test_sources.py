"""Every source of rows gives the answer that the same rows give as an array."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

from spectralkit.streaming import StreamingPCA, frequent_directions, top_eigenvector

METHODS = ["oja", "block_power", "oja_grid", "frequent_directions", "incremental_svd", "gram"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((3000, 12)) * np.r_[4, 2, np.ones(10)] + rng.standard_normal(12)).astype(
        np.float32
    )


@pytest.fixture(scope="module", params=METHODS)
def expected(request, table):
    return request.param, top_eigenvector(table, method=request.param, rng=0, center=True)


def check(source, expected, exact=True):
    method, result = expected
    found = top_eigenvector(source, method=method, rng=0, center=True)
    assert found.n_samples == result.n_samples
    if exact:
        np.testing.assert_array_equal(found.vector, result.vector)
        assert found.eigenvalue == result.eigenvalue
    else:
        np.testing.assert_allclose(found.vector, result.vector, atol=1e-5)


def test_read_only_memmap(tmp_path, table, expected):
    table.tofile(tmp_path / "rows.bin")
    check(np.memmap(tmp_path / "rows.bin", np.float32, "r", shape=table.shape), expected)


def test_fortran_order_strides_and_byte_order(table, expected):
    check(np.asfortranarray(table), expected)
    check(np.repeat(table, 2, axis=1)[:, ::2], expected)
    check(table[::-1].copy()[::-1], expected)
    check(table.astype(">f4"), expected)


def test_hdf5(tmp_path, table, expected):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file.create_dataset("chunked", data=table, chunks=(500, 12), compression="gzip")
        file.create_dataset("plain", data=table)
        check(file["chunked"], expected)
        check(file["plain"], expected)


def test_zarr(tmp_path, table, expected):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(tmp_path / "rows.zarr"), shape=table.shape, chunks=(700, 12), dtype=table.dtype
    )
    array[:] = table
    check(array, expected)


def test_parquet_by_record_batches(tmp_path, table, expected):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    columns = {f"x{j}": table[:, j] for j in range(table.shape[1])}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=450)
    batches = pq.ParquetFile(tmp_path / "rows.parquet").iter_batches(batch_size=333)
    check((np.column_stack([column.to_numpy() for column in batch.columns]) for batch in batches), expected)


def test_blocks(table, expected):
    check(iter(np.array_split(table, 17)), expected)
    check(list(np.array_split(table, 5)), expected)
    check((block for block in (table[:0], table[:100], table[100:])), expected)


def test_data_frames(table, expected):
    pd = pytest.importorskip("pandas")
    check(pd.DataFrame(table), expected)
    check((pd.DataFrame(part) for part in np.array_split(table, 4)), expected)


def test_csr(table, expected):
    check(sp.csr_matrix(table), expected, exact=False)
    check(sp.csr_array(table), expected, exact=False)
    check((sp.csr_matrix(part) for part in np.array_split(table, 4)), expected, exact=False)
    check(sp.coo_matrix(table), expected, exact=False)


def test_dense_and_csr_blocks_in_one_stream(table, expected):
    parts = np.array_split(table, 4)
    check([sp.csr_matrix(parts[0]), parts[1], sp.csr_matrix(parts[2]), parts[3]], expected, exact=False)


def test_csr_is_not_made_dense():
    # 40 GB if it were: three thousand rows of a million and a half features.
    rng = np.random.default_rng(0)
    n, d = 3000, 1_500_000
    shared = rng.integers(d, size=5)
    rows, columns = np.repeat(np.arange(n), 35), rng.integers(d, size=(n, 35))
    values = rng.random((n, 35))
    columns[:, :5], values[:, :5] = shared, 2.0
    X = sp.csr_array((values.ravel(), (rows, columns.ravel())), shape=(n, d))
    result = top_eigenvector(X, method="oja", rng=0, n_heavy=4)
    assert np.sum(result.vector[shared] ** 2) > 0.98


def test_estimator_and_sketch_take_sources(table):
    blocks = np.array_split(table, 9)
    whole = StreamingPCA(2, method="oja", random_state=0).fit(table)
    by_blocks = StreamingPCA(2, method="oja", random_state=0).fit(iter(blocks))
    np.testing.assert_array_equal(whole.components_, by_blocks.components_)
    assert by_blocks.n_features_in_ == 12
    np.testing.assert_array_equal(
        frequent_directions(table, 6).sketch, frequent_directions(iter(blocks), 6).sketch
    )


def test_transform_takes_sparse_and_dask(table):
    da = pytest.importorskip("dask.array")
    pca = StreamingPCA(2).fit(table)
    dense = pca.transform(table)
    np.testing.assert_allclose(pca.transform(sp.csr_matrix(table)), dense, atol=2e-5)
    lazy = pca.transform(da.from_array(table, chunks=(500, 12)))
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy.compute(), dense, atol=2e-5)
    assert pca.score(sp.csr_matrix(table)) == pytest.approx(pca.score(table), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_dask_on_threads(table, method):
    da = pytest.importorskip("dask.array")
    import dask

    X = da.from_array(table, chunks=(700, 5))
    whole = top_eigenvector(table, method=method, rng=0)
    with dask.config.set(scheduler="threads", num_workers=2):
        result = top_eigenvector(X, method=method, rng=0)
    assert result.n_samples == len(table)
    tolerance = {"gram": 1e-5, "oja": 2e-2, "incremental_svd": 1e-3, "frequent_directions": 1e-2}.get(
        method, 0.0
    )
    np.testing.assert_allclose(result.vector, whole.vector, atol=tolerance)


def test_dask_cluster_of_two_processes(tmp_path, table):
    """In a process of its own: the cluster's workers start afresh and its event loop ends with it."""
    pytest.importorskip("distributed")
    np.save(tmp_path / "rows.npy", table)
    script = tmp_path / "cluster.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            import dask.array as da
            import numpy as np
            from distributed import Client, LocalCluster
            from spectralkit.streaming import StreamingPCA

            if __name__ == "__main__":
                X = np.load(sys.argv[1])
                with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
                    with Client(cluster) as client:
                        for method, tolerance in {"gram": 1e-5, "oja": 2e-2}.items():
                            lazy = da.from_array(X, chunks=(400, 12))
                            pca = StreamingPCA(2, method=method, random_state=0).fit(lazy)
                            one = StreamingPCA(2, method=method, random_state=0).fit(X)
                            assert pca.n_samples_seen_ == len(X)
                            overlap = np.abs(np.sum(pca.components_ * one.components_, axis=1))
                            assert (1 - overlap < tolerance).all(), (method, overlap)
                            pca.partial_fit(lazy)
                            assert pca.n_samples_seen_ == 2 * len(X)
                print("merged")
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "rows.npy")],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1m"},
    )
    assert done.returncode == 0, done.stderr
    assert "merged" in done.stdout


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads RssAnon from /proc")
@pytest.mark.parametrize("method", ["oja", "gram", "frequent_directions"])
def test_memory_over_a_memmap_does_not_grow_with_its_length(tmp_path, method):
    """Peak anonymous memory while fitting: at most the state, two blocks and 20 MB, whatever the length."""
    script = tmp_path / "memory.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, threading, time
            import numpy as np
            from spectralkit.streaming import StreamingPCA

            def anonymous():
                with open("/proc/self/status") as status:
                    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

            path, method, n, d = sys.argv[1], sys.argv[2], int(sys.argv[3]), 500
            estimator = StreamingPCA(2, method=method, center=False, random_state=0)
            estimator.fit(np.random.default_rng(0).standard_normal((1024, d), dtype=np.float32)).components_
            X = np.memmap(path, np.float32, "r", shape=(n, d))
            before, peak, running = anonymous(), [0], True
            def sample():
                while running:
                    peak[0] = max(peak[0], anonymous())
                    time.sleep(0.001)
            thread = threading.Thread(target=sample)
            thread.start()
            estimator.fit(X).components_
            running = False
            thread.join()
            print(max(peak[0], anonymous()) - before, estimator.state_.config.state_bytes(d, 4))
            """
        )
    )
    n, d = 80_000, 500
    X = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (n, d))
    rng = np.random.default_rng(0)
    for start in range(0, n, 10_000):
        X[start : start + 10_000] = rng.standard_normal((10_000, d), dtype=np.float32)
    X.tofile(tmp_path / "rows.bin")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "rows.bin"), method, str(n)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    growth, state = map(int, done.stdout.split())
    assert growth <= state + 20 * 2**20


def test_empty_dask_and_hdf5(tmp_path):
    da, h5py = pytest.importorskip("dask.array"), pytest.importorskip("h5py")
    fitted = StreamingPCA(1).fit(np.eye(5))
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        for empty in (da.from_array(np.empty((0, 5))), file.create_dataset("x", shape=(0, 5), dtype="f8")):
            with pytest.raises(ValueError, match="at least one row"):
                fitted.fit(empty)
    assert fitted.n_samples_seen_ == 5


@pytest.mark.parametrize("method", METHODS)
def test_dask_chunks_of_unknown_length(table, method):
    da = pytest.importorskip("dask.array")
    X = da.from_array(table, chunks=(500, 12))
    chosen = X[X[:, 0] > 0]
    result = top_eigenvector(chosen, method=method, rng=0)
    assert result.n_samples == int(np.sum(table[:, 0] > 0))


def test_dask_through_the_estimator(table):
    da = pytest.importorskip("dask.array")
    X = da.from_array(table, chunks=(500, 12))
    pca = StreamingPCA(2).fit(table)
    assert pca.score(X) == pytest.approx(pca.score(table), rel=1e-9)
    back = pca.inverse_transform(pca.transform(X)).compute()
    np.testing.assert_allclose(back, pca.inverse_transform(pca.transform(table)), atol=1e-4)
    for wrong in (X[:, :1], X[:, :5]):
        with pytest.raises(ValueError, match="features"):
            pca.transform(wrong)
        with pytest.raises(ValueError, match="features"):
            pca.partial_fit(wrong)


def test_score_leaves_a_csr_matrix_alone(table):
    X = sp.csr_matrix((np.array([1.0, 2, 3, 4]), np.array([3, 1, 2, 2]), np.array([0, 2, 4])), shape=(2, 4))
    indices, data = X.indices.copy(), X.data.copy()
    StreamingPCA(1).fit(X).score(X)
    np.testing.assert_array_equal(X.indices, indices)
    np.testing.assert_array_equal(X.data, data)


def test_callback_and_log(table, caplog):
    seen = []

    def stop_after_three(info):
        seen.append(info)
        return len(seen) == 3

    result = top_eigenvector(iter(np.array_split(table, 10)), callback=stop_after_three)
    assert [info.iteration for info in seen] == [1, 2, 3]
    assert result.n_samples == seen[-1].figure == 900
    with caplog.at_level("INFO", logger="spectralkit"):
        StreamingPCA(2, verbose=1).fit(iter(np.array_split(table, 4)))
    assert len(caplog.records) == 4
    assert "3000 rows" in caplog.records[-1].message


@pytest.mark.parametrize("method", ["oja", "block_power"])
@pytest.mark.parametrize("center", [False, True])
def test_csr_rows_evicted_before_the_first_light_ones(method, center):
    """One row among zeros is heavy; when others come it is evicted, dense, into the first light CSR block."""
    rng = np.random.default_rng(0)
    X = np.zeros((800, 12))
    X[5, 3] = 1.0
    X[256:] = rng.standard_normal((544, 12))
    X[256:] /= np.linalg.norm(X[256:], axis=1)[:, None]
    dense = top_eigenvector(X, method=method, rng=0, center=center)
    sparse = top_eigenvector(sp.csr_matrix(X), method=method, rng=0, center=center)
    np.testing.assert_allclose(sparse.vector, dense.vector, atol=1e-9)
    assert sparse.eigenvalue == pytest.approx(dense.eigenvalue, rel=1e-9)
