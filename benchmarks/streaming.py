"""The bars of `spectralkit.streaming`, and of the package's frame."""

import itertools
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers.streaming import incremental_pca, svd_frequent_directions
from spectralkit.datasets import make_heavy_row_stream, make_spiked_stream
from spectralkit.streaming import (
    OrderWarning,
    StreamingPCA,
    StreamingTopEigenvector,
    frequent_directions,
    top_eigenvector,
    tree_merge,
)
from spectralkit.streaming._stream import finish


def bar_accuracy(repeats):
    """Random order, 100 000 x 512 float32, planted N(0, I + (R - 1) vv'), 5 seeds."""
    for gap, required in ((1.5, 1.5e-2), (2, 1.5e-3), (4, 1e-4), (16, 2e-5)):
        errors = []
        for seed in range(5):
            X, reference = _spiked(gap, seed)
            errors.append(_error(top_eigenvector(X, method="oja", rng=seed).vector, reference))
        yield Bar(
            f"median error 1 - <v, v1>^2 at R = {gap}",
            required,
            float(np.median(errors)),
            detail=f"R = {gap}: largest of five {max(errors):.1e}",
        )
    main = finish(StreamingTopEigenvector(method="oja", random_state=0).fit(X).state_).main
    kept = main.basis.size + main.lam.size + 32 * X.shape[1]
    yield Bar("numbers kept beside the block in hand, in units of d", 40, kept / X.shape[1])


def bar_hard_instance(repeats):
    """The Kacham-Woodruff instance, d = 1024, R = 3, n = 60 000, off the axes and rotated, 4 seeds."""
    solved, ablated, stored = [], [], []
    for rotate, seed in itertools.product((False, True), range(4)):
        X, v = make_heavy_row_stream(60_000, 1024, rotate=rotate, rng=seed)
        result = top_eigenvector(X, method="oja", rng=seed)
        solved.append(_error(result.vector, v))
        stored.append(result.n_heavy)
        ablated.append(_error(top_eigenvector(X, method="oja", n_heavy=0, rng=seed).vector, v))
    yield Bar(
        "largest error with n_heavy = 32", 1e-8, max(solved), detail=f"rows stored: {sorted(set(stored))}"
    )
    yield Bar("smallest error with n_heavy = 0: the ablation must fail", 0.9, min(ablated), better="higher")


def bar_sorted_streams(repeats):
    """Sorted by |<a, v>|, R = 4, 100 000 x 512 float32, oja with the referee, ten seeds an order."""
    for order in ("first", "last"):
        errors, alone, chosen = [], [], []
        for seed in range(3 if checking(repeats) else 10):
            X, v = make_spiked_stream(100_000, 512, gap=4, dtype=np.float32, rng=seed)
            ranks = np.argsort(np.abs(X @ v.astype(np.float32)))
            X = X[ranks[::-1] if order == "first" else ranks]
            reference = _exact(X)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OrderWarning)
                judged = StreamingTopEigenvector(method="oja", referee=True, random_state=seed).fit(X)
            chosen.append(judged.method_)
            errors.append(_error(judged.components_[0], reference))
            main = judged.state_.main.spectrum(1, judged.state_.config, judged.state_.xp)
            alone.append(_error(main.vectors[0], reference))
        counts = {name: chosen.count(name) for name in sorted(set(chosen))}
        yield Bar(
            f"largest error, signal {order}",
            5e-2,
            max(errors),
            detail=f"signal {order}: median {np.median(errors):.1e}; the referee chose {counts}; oja alone: "
            f"median {np.median(alone):.1e}, largest {max(alone):.1e}",
        )


def bar_certificate(repeats):
    """Frequent directions: ||A'A - B'B|| against the textbook bound, any order, any tree of merges."""
    worst, certified = 0.0, 0.0
    for seed, size, order, workers in itertools.product(range(3), (8, 32), ("random", "sorted"), (1, 2, 7)):
        rng = np.random.default_rng(seed)
        A = rng.standard_normal((4000, 96)) * np.arange(1, 97.0) ** -(0.5 * seed)
        A = A @ np.linalg.qr(rng.standard_normal((96, 96)))[0]
        if order == "sorted":
            A = A[np.argsort(-np.linalg.norm(A, axis=1))]
        parts = [
            StreamingPCA(1, method="frequent_directions", sketch_size=size, center=False).fit(part)
            for part in np.array_split(A, workers)
        ]
        merged = tree_merge(parts)
        B = finish(merged.state_).main.sketch
        error = np.linalg.norm(A.T @ A - B.T @ B, 2)
        tails = np.cumsum(np.linalg.svd(A, compute_uv=False)[::-1] ** 2)[::-1]
        worst = max(worst, error / min(tails[j] / (size - j) for j in range(size)))
        certified = max(certified, error / merged.error_bound_)
    yield Bar("largest error over ||A - A_j||_F^2 / (l - j), all j", 1 + 1e-6, worst)
    yield Bar("largest error over error_bound", 1 + 1e-6, certified)


def bar_oja_speed(repeats):
    """CPU time against IncrementalPCA(32) at its best batch size, 100 000 x 512 float32."""
    for gap in (4,) if checking(repeats) else (1.5, 2, 4):
        X, reference = _spiked(gap, 0)
        ours = _error(top_eigenvector(X, method="oja", rng=0).vector, reference)
        theirs = _error(incremental_pca(X, 32, batch_size=1024)[0], reference)
        yield Bar(f"error of oja over that of IncrementalPCA at R = {gap}", 1, ours / theirs)
    with spectralkit.threads(1):
        seconds = {}
        for batch in (512, 1024) if checking(repeats) else (64, 128, 256, 512, 1024, 2560):
            start = time.process_time()
            incremental_pca(X, 32, batch_size=batch)
            seconds[batch] = time.process_time() - start
    best = min(seconds, key=seconds.get)
    race = run(
        {
            "oja": lambda: StreamingTopEigenvector(method="oja", random_state=0).fit(X).components_[0],
            "IncrementalPCA": lambda: incremental_pca(X, 32, batch_size=best)[0],
        },
        error=lambda vector: _error(vector, reference),
        accuracy={"oja": 1e-4, "IncrementalPCA": 1e-3},
        repeats=repeats,
    )
    yield Bar(
        "CPU time, IncrementalPCA(32) / oja, at R = 4",
        50,
        race.ratio("IncrementalPCA", "oja"),
        better="higher",
        speed=True,
        detail=f"best batch size {best}; {race}",
    )


def bar_small_batches(repeats):
    """The same stream, R = 4, by partial_fit of a few rows a call; IncrementalPCA alike."""
    X, reference = _spiked(4, 0)

    def in_batches(size):
        estimator = StreamingTopEigenvector(method="oja", random_state=0)
        for start in range(0, len(X), size):
            estimator.partial_fit(X[start : start + size])
        return estimator.components_[0]

    for size in (256,) if checking(repeats) else (64, 256):
        race = run(
            {
                "oja": lambda size=size: in_batches(size),
                "IncrementalPCA": lambda size=size: incremental_pca(X, 32, batch_size=size)[0],
            },
            error=lambda vector: _error(vector, reference),
            accuracy={"oja": 1e-4, "IncrementalPCA": 1e-3},
            repeats=repeats,
        )
        ratio = race.ratio("IncrementalPCA", "oja")
        yield Bar(f"CPU time, IncrementalPCA(32) / oja, {size} rows a call", np.nan, ratio, detail=str(race))


def bar_frequent_directions_speed(repeats):
    """CPU time against the sketch shrunk by SVD, 20 000 x 512 float32, l = 32."""
    X, _ = make_spiked_stream(20_000, 512, gap=4, dtype=np.float32, rng=0)
    total = float(np.sum(X.astype(np.float64) ** 2))
    ours = frequent_directions(X, 32).error_bound
    # The smallest sketch with which the SVD version certifies as much.
    size = next(size for size in range(32, 64) if svd_frequent_directions(X, size)[1] <= ours)
    race = run(
        {
            "frequent_directions": lambda: frequent_directions(X, 32).error_bound,
            "SVD, l = 32": lambda: svd_frequent_directions(X, 32)[1],
            f"SVD, l = {size}": lambda: svd_frequent_directions(X, size)[1],
        },
        error=lambda bound: bound / total,
        accuracy=1 / 32,
        repeats=repeats,
    )
    for label, name in (("equal bound", f"SVD, l = {size}"), ("equal sketch size", "SVD, l = 32")):
        yield Bar(
            f"CPU time, SVD version / ours, at {label}",
            4,
            race.ratio(name, "frequent_directions"),
            better="higher",
            speed=True,
            detail=f"{race} (error: certified bound over ||A||_F^2)",
        )


def bar_memmap_rate(repeats):
    """Rate of oja on a memmap of 0.8 GB float32, d = 1000, out of cache, against a plain sum of it."""
    with tempfile.TemporaryDirectory() as folder:
        X = _memmap(pathlib.Path(folder), 200_000, 1000)
        race = run(
            {
                "oja": lambda: StreamingTopEigenvector(method="oja", random_state=0).fit(X).eigenvalues_[0],
                "sum": lambda: float(np.sum(X)),
            },
            error=lambda figure: 0.0 if np.isfinite(figure) else np.inf,
            accuracy=0.0,
            repeats=repeats,
        )
    rates = {name: X.nbytes / seconds / 1e9 for name, seconds in race.seconds.items()}
    yield Bar(
        "rate of oja over that of a plain sum",
        0.5,
        race.ratio("sum", "oja"),
        better="higher",
        speed=True,
        detail=", ".join(f"{name} {rate:.1f} GB/s" for name, rate in rates.items()),
    )


def bar_linear_time(repeats):
    """CPU time of oja against the number of rows, 400 000 to 3 200 000 rows of 512 float32."""
    X, _ = make_spiked_stream(100_000, 512, gap=4, dtype=np.float32, rng=0)
    passes = (4, 8, 16, 32)
    best = dict.fromkeys(passes, np.inf)
    with spectralkit.threads(1):
        for _, count in itertools.product(range(repeats), passes):
            estimator = StreamingTopEigenvector(method="oja", random_state=0)
            start = time.process_time()
            for _ in range(count):
                estimator.partial_fit(X)
            best[count] = min(best[count], time.process_time() - start)
    slope = np.polyfit(np.log(passes), np.log(list(best.values())), 1)[0]
    distance = abs(slope - 1)
    yield Bar("distance of the exponent from 1", 0.05, distance, speed=True, detail=f"exponent {slope:.3f}")


def bar_memory(repeats):
    """Growth of anonymous memory while fitting a memmap of 500 float32 columns, over state and two blocks."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = (50_000, 100_000 if checking(repeats) else 400_000)
        for method, n in itertools.product(("oja", "gram", "frequent_directions"), sizes):
            _memmap(pathlib.Path(folder), n, 500)
            command = [sys.executable, "-c", _MEMORY, str(pathlib.Path(folder) / "rows.bin"), method, str(n)]
            grown, state = map(
                int, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
            )
            yield Bar(f"{method}, {n} rows", 20, (grown - state) / 2**20, unit="MiB")


def bar_frame(repeats):
    """Import of the package and the cost of a call, beside the work."""
    seconds = {"numpy": np.inf, "spectralkit": np.inf}
    for _, name in itertools.product(range(max(repeats, 7)), seconds):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
        seconds[name] = min(seconds[name], float(done.stdout))
    ratio = seconds["spectralkit"] / seconds["numpy"]
    yield Bar("time of import spectralkit / import numpy", 0.5, ratio, timed=True)
    from spectralkit._core.namespaces import array_namespace

    row = np.ones((1, 64))
    estimator = StreamingPCA(2, method="oja", random_state=0).fit(np.random.default_rng(0).random((300, 64)))
    for name, call in (
        ("namespace dispatch of one array", lambda: array_namespace(X=row)),
        ("partial_fit of one row, validation included", lambda: estimator.partial_fit(row)),
    ):
        best = np.inf
        for _ in range(repeats):
            start = time.perf_counter()
            for _ in range(200):
                call()
            best = min(best, (time.perf_counter() - start) / 200)
        yield Bar(name, 10 if "dispatch" in name else np.nan, best * 1e6, unit="us", timed=True)


_MEMORY = """
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
before, peak, running = anonymous(), 0, True

def sample():
    global peak
    while running:
        peak = max(peak, anonymous())
        time.sleep(0.001)

thread = threading.Thread(target=sample)
thread.start()
estimator.fit(X).components_
running = False
thread.join()
print(max(peak, anonymous()) - before, estimator.state_.config.state_bytes(d, 4))
"""


def _spiked(gap, seed):
    X, _ = make_spiked_stream(100_000, 512, gap=gap, dtype=np.float32, rng=seed)
    return X, _exact(X)


def _exact(X):
    return np.linalg.eigh((X.T @ X).astype(np.float64))[1][:, -1]


def _error(vector, reference):
    return max(1.0 - float(np.dot(vector.astype(np.float64), reference)) ** 2, 0.0)


def _memmap(folder, n, d):
    """Return a read-only memmap of standard normal rows, written in blocks."""
    rng = np.random.default_rng(0)
    with open(folder / "rows.bin", "wb") as file:
        for start in range(0, n, 10_000):
            rng.standard_normal((min(10_000, n - start), d), dtype=np.float32).tofile(file)
    return np.memmap(folder / "rows.bin", np.float32, "r", shape=(n, d))
