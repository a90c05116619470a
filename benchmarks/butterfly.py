"""The bars of `spectralkit.structured`."""

import math
import time
import tracemalloc
from functools import cache

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.ndimage
import scipy.special
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import spectralkit
from benchmarks._harness import Bar, run
from benchmarks.peers import structured as peers
from spectralkit.structured import (
    Butterfly,
    butterfly_factorize,
    butterfly_gradient,
    butterfly_learn,
    butterfly_matmul,
)
from spectralkit.structured._factorize import bit_reversal, eight_permutations

_UNIT = np.finfo(np.float64).eps
# More than the last cache of any processor.
_EVICTS = 128 * 2**20


def bar_recovery(repeats):
    """Random butterfly matrices, factored: relative error of the product of the factors."""
    for n, count in ((16, 8), (64, 8), (256, 8), (1024, 8), (4096, 1)):
        worst, residual = 0.0, 0.0
        for seed, order in enumerate(eight_permutations(n)[:count]):
            for kind in ("real", "complex") if n < 1024 else (("real", "complex")[seed % 2],):
                W = Butterfly(_random_twiddle(n, kind, seed), permutation=order).to_dense()
                result = butterfly_factorize(W)
                worst = max(worst, _distance(result.operator.to_dense(), W))
                residual = max(residual, result.residual)
        detail = (
            f"n = {n}: behind {count} of the eight permutations; largest residual reported {residual:.1e}"
        )
        yield Bar(f"n = {n}: largest error", 1e-14, worst, detail=detail)


def bar_constructors(repeats):
    """Exact transforms as matrices (512 columns at n = 4096): relative error in the Frobenius norm."""
    for n in (1024, 4096):
        rng = np.random.default_rng(0)
        c = rng.standard_normal(n)
        columns = np.arange(n) if n == 1024 else rng.choice(n, 512, replace=False)
        for name in ("dft", "idft", "dct", "dst", "hadamard", "hartley", "circulant"):
            operator = Butterfly.circulant(c) if name == "circulant" else getattr(Butterfly, name)(n)
            found = operator.matmul(np.eye(n)[:, columns], axis=0)
            yield Bar(f"{name}, n = {n}", 1e-14, _distance(found, _exact(name, n, c, columns)))


def bar_apply(repeats):
    """Products with random real butterflies against extended precision: error over 4 eps log2 n."""
    for n in (256, 1024, 4096):
        rng, worst = np.random.default_rng(n), 0.0
        twiddle, X = _random_twiddle(n, "real", n), rng.standard_normal((64, n))
        exact = _by_levels(twiddle.astype(np.longdouble), X.astype(np.longdouble))
        operator = Butterfly(twiddle)
        for found in (operator.matmul(X), np.stack([operator @ x for x in X])):
            worst = max(worst, _distance(found, exact))
        limit = 4 * _UNIT * math.log2(n)
        yield Bar(f"n = {n}", 1, worst / limit, detail=f"n = {n}: relative error {worst:.1e}")


def bar_vector(repeats):
    """A real butterfly times one vector, against the dense matrix in NumPy, as both are called."""
    for n, required in ((1024, 30), (4096, 150)):
        rng = np.random.default_rng(0)
        operator = Butterfly(_random_twiddle(n, "real", 0))
        W, x = operator.to_dense(), rng.standard_normal(n)
        exact, calls = W @ x, {1024: 100, 4096: 4}[n]
        race = run(
            {
                "ours": lambda x=x, B=operator: [B @ x for _ in range(400)][-1],
                "NumPy": lambda x=x, W=W, calls=calls: [W @ x for _ in range(calls)][-1],
            },
            error=lambda found, exact=exact: _distance(found, exact),
            accuracy=1e-13,
            repeats=3 * repeats,
        )
        ours, dense = race.seconds["ours"] / 400, race.seconds["NumPy"] / calls
        detail = (
            f"n = {n}: {ours * 1e6:.2f} and {dense * 1e6:.1f} µs; what fits into the caches stays, of "
            f"{W.nbytes / 1e6:.0f} MB of matrix and {8e-6 * operator.n_parameters:.1f} MB of blocks"
        )
        name = f"n = {n}: NumPy / ours, repeated calls"
        yield Bar(name, required, dense / ours, better="higher", speed=True, detail=detail)
        # Several in turn, the same one last: code stays in the caches, so many large matrices cannot.
        seeds = reversed(range({1024: 16, 4096: 2}[n]))
        several = [Butterfly(_random_twiddle(n, "real", seed)) for seed in seeds]
        dense = [B.to_dense() for B in several]
        race = run(
            {
                "ours": lambda x=x, several=several: [B @ x for _ in range(8) for B in several][-1],
                "NumPy": lambda x=x, dense=dense: [W @ x for W in dense][-1],
            },
            error=lambda found, exact=exact: _distance(found, exact),
            accuracy=1e-13,
            repeats=3 * repeats,
        )
        ratio = 8 * race.ratio("NumPy", "ours")
        size = sum(W.nbytes for W in dense) / 1e6
        detail = f"n = {n}: {len(several)} matrices in turn, {size:.0f} MB together"
        name = f"n = {n}: NumPy / ours, several matrices in turn"
        yield Bar(name, math.nan, ratio, better="higher", detail=detail)
        calls = {"ours": lambda B=operator, x=x: B @ x, "NumPy": lambda W=W, x=x: W @ x}
        cold = _evicted(calls, 4 * repeats)
        detail = (
            f"n = {n}: {cold['ours'] * 1e6:.1f} and {cold['NumPy'] * 1e6:.0f} µs for a call after "
            f"{_EVICTS // 2**20} MiB were written, which empties the caches of data and of code"
        )
        name = f"n = {n}: NumPy / ours, caches emptied before each call"
        yield Bar(name, math.nan, cold["NumPy"] / cold["ours"], better="higher", detail=detail)


def bar_batch(repeats):
    """A real butterfly times 128 vectors: CPU times, dense and of SciPy's cosine transform."""
    for n in (256, 512, 1024, 2048, 4096):
        operator = Butterfly(_random_twiddle(n, "real", 0))
        X = np.random.default_rng(0).standard_normal((128, n))
        W = operator.to_dense() if n in (1024, 4096) else None
        exact = {"ours": operator.matmul(X), "SciPy": scipy.fft.dct(X)}
        calls = 16_384 // n
        contenders = {
            "ours": lambda B=operator, X=X, k=calls: ("ours", [B.matmul(X) for _ in range(k)][-1]),
            "SciPy": lambda X=X, k=calls: ("SciPy", [scipy.fft.dct(X) for _ in range(k)][-1]),
        }
        if W is not None:
            contenders["NumPy"] = lambda X=X, W=W, calls=calls: ("ours", X @ W.T)
        race = run(
            contenders,
            error=lambda named, exact=exact: _distance(named[1], exact[named[0]]),
            accuracy=1e-13,
            repeats=2 * repeats,
        )
        detail = f"n = {n}: {race}; {calls} products in a row, one for NumPy"
        if W is not None:
            required, ratio = {1024: 8, 4096: 12}[n], calls * race.ratio("NumPy", "ours")
            name = f"n = {n}: NumPy / ours"
            yield Bar(name, required, ratio, better="higher", speed=True, detail=detail)
        name = f"n = {n}: ours / scipy.fft.dct"
        yield Bar(name, 2.5, race.ratio("ours", "SciPy"), speed=True, detail=detail)


def bar_fourier(repeats):
    """The Fourier transform of one complex vector: CPU time in units of SciPy's."""
    for n, required in ((256, math.nan), (1024, 3), (4096, 5)):
        rng = np.random.default_rng(0)
        operator, z = Butterfly.dft(n), rng.standard_normal(n) + 1j * rng.standard_normal(n)
        exact = scipy.fft.fft(z)
        race = run(
            {
                "ours": lambda B=operator, z=z: [B @ z for _ in range(200)][-1],
                "SciPy": lambda z=z: [scipy.fft.fft(z) for _ in range(200)][-1],
            },
            error=lambda found, exact=exact: _distance(found, exact),
            accuracy=1e-14,
            repeats=3 * repeats,
        )
        detail = f"n = {n}: 200 calls: {race}"
        name = f"n = {n}: ours / scipy.fft.fft"
        yield Bar(name, required, race.ratio("ours", "SciPy"), speed=required > 0, detail=detail)


def bar_factorize(repeats):
    """A dense complex matrix of order 1024, factored behind one permutation."""
    n, order = 1024, bit_reversal(1024)
    rng = np.random.default_rng(0)
    F, noise = _fourier_matrix(n), rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    noisy = {"1 % noise": F + 0.01 * noise, "noise alone": noise}
    if not peers.has_lazylinop():
        print('  left out: lazylinop; it is not installed, or psutil is not (extra "peers")', flush=True)
    else:
        V = F[:, order]
        race = run(
            {
                "ours": lambda: butterfly_factorize(F, permutation=order).operator.to_dense()[:, order],
                "lazylinop": lambda: peers.lazylinop_factors(V).toarray(),
            },
            error=lambda found: _distance(found, V),
            accuracy=1e-13,
            repeats=1,
        )
        alone = run(
            {
                "ours": lambda: butterfly_factorize(F, permutation=order),
                "lazylinop": lambda: peers.lazylinop_factors(V),
            },
            error=lambda _: 0.0,  # that of the products is above
            accuracy=0.0,
            repeats=repeats,
        )
        seconds = "; ".join(f"{name} {spent:.3g} s" for name, spent in alone.seconds.items())
        errors = ", ".join(f"{name} {error:.1e}" for name, error in race.error.items())
        detail = f"Fourier matrix: {seconds}; relative errors {errors}"
        ratio = alone.ratio("lazylinop", "ours")
        name = "lazylinop ksd(order='balanced') / ours"
        yield Bar(name, 10, ratio, better="higher", speed=True, detail=detail)
        for name, W in noisy.items():
            ours = _distance(butterfly_factorize(W, permutation=order).operator.to_dense(), W)
            theirs = _distance(peers.lazylinop_factors(W[:, order]).toarray(), W[:, order])
            detail = f"{name}: relative residuals {ours:.6f} and {theirs:.6f}"
            yield Bar(f"{name}: our residual / theirs", 1.001, ours / theirs, detail=detail)
    for kind, W in (("complex", F), ("real", F.real.copy())):
        butterfly_factorize(W, permutation=order)
        tracemalloc.start()
        butterfly_factorize(W, permutation=order)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        detail = "NumPy's arrays beyond the matrix itself"
        yield Bar(f"memory, {kind}, copies of the matrix", 2, peak / W.nbytes, detail=detail)


def bar_growth(repeats):
    """Exponent of the CPU time of the factorization in the size, one permutation."""
    for kind in ("complex", "real"):
        seconds = {}
        for n in (256, 512, 1024, 2048, 4096):
            rng = np.random.default_rng(0)
            W = rng.standard_normal((n, n))
            W = W + 1j * rng.standard_normal((n, n)) if kind == "complex" else W
            race = run(
                {"ours": lambda W=W: butterfly_factorize(W, permutation="bitrev")},
                error=lambda _: 0.0,
                accuracy=0.0,
                repeats=repeats if n < 4096 else 2,
            )
            seconds[n] = race.seconds["ours"]
        each = ", ".join(f"{s * 1e9 / n**2:.1f}" for n, s in seconds.items())
        detail = f"{kind}: {each} ns an entry at {', '.join(map(str, seconds))}"
        large = [n for n in seconds if n >= 1024]  # from where on the matrix is in no near cache
        for name, sizes, required in (("256", list(seconds), 2.3), ("1024", large, math.nan)):
            times = [seconds[n] for n in sizes]
            slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
            yield Bar(f"{kind}: exponent from n = {name} to 4096", required, slope, timed=True, detail=detail)


def bar_published(repeats):
    """Root mean square errors of the entries at n = 1024, best of eight permutations."""
    n = 1024
    required = {"DFT": 1e-16, "Hadamard": 1e-16, "Legendre": 1.30e-3, "Hilbert": 2.3e-4}
    published = {"DFT": 5.7e-5, "Hadamard": 3.6e-5, "Legendre": 1.57e-3, "Hilbert": 3.7e-4}
    places = np.linspace(-1, 1, n + 2)[1:-1]
    matrices = {
        "DFT": _fourier_matrix(n) / math.sqrt(n),
        "Hadamard": scipy.linalg.hadamard(n) / math.sqrt(n),
        "Legendre": np.polynomial.legendre.legvander(places, n - 1).T / math.sqrt(n),
        "Hilbert": scipy.linalg.hilbert(n) / np.linalg.norm(scipy.linalg.hilbert(n), 2),
    }
    for name, W in matrices.items():
        found = np.linalg.norm(butterfly_factorize(W).operator.to_dense() - W) / n
        detail = f"{name}: published, by learning: {published[name]:.2g}"
        yield Bar(name, required[name], found, detail=detail)


def bar_learning(repeats):
    """The Fourier transform, learned: root mean square error of the entries of the unitary matrix."""
    for n in (8, 16, 32, 64):
        F = _fourier_matrix(n) / math.sqrt(n)
        X = np.random.default_rng(n).standard_normal((2 * n, n))
        cases = {
            "matrix": (F, {"permutation": "bitrev"}),
            "pairs": ((X, X @ F.T), {"permutation": "bitrev"}),
            "pairs, random start": ((X, X @ F.T), {"permutation": "bitrev", "init": "random"}),
            "random start": (F, {"permutation": "bitrev", "init": "random"}),
        }
        if n <= 32:
            cases["random starts, best of eight permutations"] = (F, {"init": "random"})
        for name, (data, options) in cases.items():
            start = time.process_time()
            with spectralkit.threads(1):
                result = butterfly_learn(data, rng=0, **options)
            spent = time.process_time() - start
            error = np.linalg.norm(result.operator.to_dense() - F) / n
            detail = f"n = {n}, {name}: {spent:.2g} s, {result.n_iter} steps of L-BFGS"
            yield Bar(f"n = {n}, {name}", 1e-8, error, detail=detail)


def bar_hidden_layer(repeats):
    """Digits of 16 by 16 pixels, a hidden layer of 256 by 256, trained by Adam: three seeds."""
    found = {kind: [_train(kind, seed) for seed in range(3)] for kind in _START}
    mean = {kind: float(np.mean([accuracy for accuracy, _ in runs])) for kind, runs in found.items()}
    size = {kind: runs[0][1] for kind, runs in found.items()}
    detail = "; ".join(
        f"{kind}: {size[kind]} parameters of the layer, "
        f"accuracies {', '.join(f'{accuracy:.4f}' for accuracy, _ in runs)}"
        for kind, runs in found.items()
    )
    yield Bar("parameters, butterfly / dense", 0.1, size["butterfly"] / size["dense"], detail=detail)
    lost = 100 * (mean["dense"] - mean["butterfly"])
    yield Bar("points lost by the butterfly", 2, lost, detail=detail)
    lost = 100 * (mean["dense"] - mean["low rank"])
    yield Bar("points lost by rank 8, equal parameters", math.nan, lost, detail=detail)


def _distance(found, exact):
    """Return the relative error in the Frobenius norm."""
    return float(
        np.linalg.norm(np.asarray(found - exact, complex)) / np.linalg.norm(np.asarray(exact, complex))
    )


def _random_twiddle(n, kind, seed):
    """Return blocks of random numbers, scaled so that products neither grow nor vanish."""
    rng, shape = np.random.default_rng(seed), (n.bit_length() - 1, n // 2, 2, 2)
    T = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if kind == "complex" else 0.0)
    return T / (2.0 if kind == "complex" else math.sqrt(2.0))


def _by_levels(twiddle, X):
    """Return the products with the rows of ``X`` in the precision of the arguments."""
    n = X.shape[-1]
    for k, level in enumerate(twiddle):
        pairs = X.reshape(len(X), n >> (k + 1), 2, 1 << k)
        blocks = level.reshape(n >> (k + 1), 1 << k, 2, 2)
        X = np.einsum("bjrc,sbcj->sbrj", blocks, pairs).reshape(len(X), n)
    return X


def _roots(k, n):
    """Return ``exp(2πi k / n)`` for whole numbers below n, from a table of one octant."""
    octant = np.arange(n // 8 + 1, dtype=np.longdouble)
    angle = octant * (8 * np.arctan(np.longdouble(1)) / n)
    cosine, sine = np.cos(angle), np.sin(angle)
    first = np.concatenate([cosine + 1j * sine, (sine + 1j * cosine)[-2:0:-1]])
    return np.concatenate([first * turn for turn in (1, 1j, -1, -1j)]).astype(complex)[k]


def _exact(name, n, c, j):
    """Return columns of the matrix of a transform, by its formula."""
    k = np.arange(n)
    if name == "hadamard":
        return scipy.linalg.hadamard(n)[:, j].astype(float)
    if name == "circulant":
        return c[(k[:, None] - j) % n]
    if name == "dct":
        return 2 * _roots(np.outer(k, 2 * j + 1) % (4 * n), 4 * n).real
    if name == "dst":
        return 2 * _roots(np.outer(k + 1, 2 * j + 1) % (4 * n), 4 * n).imag
    E = _roots(np.outer(k, j) % n, n)
    return {"dft": E.conj(), "idft": E / n, "hartley": E.real + E.imag}[name]


@cache
def _fourier_matrix(n):
    """Return the matrix of the Fourier transform."""
    return _roots(np.outer(np.arange(n), np.arange(n)) % n, n).conj()


def _evicted(calls, count):
    """Return the shortest time of single calls, before each of which a large array is written."""
    junk, seconds = np.zeros(_EVICTS // 8), dict.fromkeys(calls, math.inf)
    with spectralkit.threads(1):
        for _ in range(count):
            for name, call in calls.items():
                junk += 1.0
                start = time.perf_counter()
                call()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def _block_start(rng, n):
    """Return blocks that are random rotations and reflections, the last level twice as strong."""
    twiddle = np.linalg.qr(rng.standard_normal((n.bit_length() - 1, n // 2, 2, 2)))[0]
    twiddle[-1] *= math.sqrt(2.0)
    return [twiddle]


# First weights, products with the rows of x, and derivatives in the weights from those in the products.
_START = {
    "dense": lambda rng, n: [rng.standard_normal((n, n)) * math.sqrt(2.0 / n)],
    "butterfly": _block_start,
    "low rank": lambda rng, n: [
        rng.standard_normal((8, n)) / math.sqrt(n),
        rng.standard_normal((n, 8)) * 0.5,
    ],
}
_FORWARD = {
    "dense": lambda x, W: x @ W.T,
    "butterfly": lambda x, twiddle: butterfly_matmul(twiddle, x),
    "low rank": lambda x, V, U: x @ V.T @ U.T,
}
_BACKWARD = {
    "dense": lambda x, d, W: [d.T @ x],
    "butterfly": lambda x, d, twiddle: [butterfly_gradient(twiddle, x, d)[0]],
    "low rank": lambda x, d, V, U: [U.T @ d.T @ x, d.T @ (x @ V.T)],
}


def _train(kind, seed, *, n=256, epochs=20, rate=2e-3, batch=64):
    """Return the accuracy on digits that training has not seen, and the size of the layer."""
    digits, labels = load_digits(return_X_y=True)
    X = scipy.ndimage.zoom(digits.reshape(-1, 8, 8), (1, 2, 2), order=1).reshape(-1, n)
    X = (X - X.mean()) / X.std()
    X, X_test, y, y_test = train_test_split(X, labels, test_size=0.3, random_state=seed, stratify=labels)
    rng = np.random.default_rng(seed)
    layer = _START[kind](rng, n)
    theta = [*layer, np.zeros(n), rng.standard_normal((10, n)) / math.sqrt(n), np.zeros(10)]
    mean, square = ([np.zeros_like(part) for part in theta] for _ in range(2))
    step = 0
    with spectralkit.threads(1):
        for _ in range(epochs):
            for some in np.array_split(rng.permutation(len(X)), len(X) // batch):
                x, step = X[some], step + 1
                before = _FORWARD[kind](x, *theta[:-3]) + theta[-3]
                hidden = np.maximum(before, 0.0)
                d = scipy.special.softmax(hidden @ theta[-2].T + theta[-1], axis=1)
                d[np.arange(len(some)), y[some]] -= 1.0
                d /= len(some)
                below = d @ theta[-2] * (before > 0)
                gradient = [
                    *_BACKWARD[kind](x, below, *theta[:-3]),
                    below.sum(axis=0),
                    d.T @ hidden,
                    d.sum(axis=0),
                ]
                for part, g, m, s in zip(theta, gradient, mean, square, strict=True):
                    m += 0.1 * (g - m)
                    s += 0.001 * (g**2 - s)
                    part -= rate * m / (1 - 0.9**step) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
        found = np.maximum(_FORWARD[kind](X_test, *theta[:-3]) + theta[-3], 0.0) @ theta[-2].T + theta[-1]
    return np.mean(found.argmax(axis=1) == y_test), sum(part.size for part in layer)
