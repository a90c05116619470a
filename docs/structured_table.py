"""Print the guide's tables of butterfly matrices.

``python docs/structured_table.py [products|published|transforms]``: all tables if none is named.
"""

import math
import sys
import time

import numpy as np
import scipy.fft
import scipy.linalg

import spectralkit
from spectralkit.structured import Butterfly, butterfly_factorize


def products():
    """Print times of products in units of those of a butterfly."""
    head(
        "$n$",
        "`W @ x`, one vector",
        "the same, matrices in turn",
        "`X @ W.T`, 128 vectors",
        "`scipy.fft.dct`, 128 vectors",
        "`scipy.fft.fft`, one complex vector",
    )
    rng = np.random.default_rng(0)
    for n in (256, 512, 1024, 2048, 4096):
        several = [random_butterfly(n, seed) for seed in range(max(2, 2**26 // n**2 // 4))]
        dense = [B.to_dense() for B in several]
        B, W, x, X = several[0], dense[0], rng.standard_normal(n), rng.standard_normal((128, n))
        F, z = Butterfly.dft(n), x + 1j * rng.standard_normal(n)
        pairs = (
            (lambda W=W, x=x: W @ x, lambda B=B, x=x: B @ x),
            (
                lambda dense=dense, x=x: [W @ x for W in dense],
                lambda several=several, x=x: [B @ x for B in several],
            ),
            (lambda W=W, X=X: X @ W.T, lambda B=B, X=X: B.matmul(X)),
            (lambda X=X: scipy.fft.dct(X), lambda B=B, X=X: B.matmul(X)),
            (lambda z=z: scipy.fft.fft(z), lambda F=F, z=z: F @ z),
        )
        ratios = [ratio(theirs, ours) for theirs, ours in pairs]
        print(
            f"| {n} | "
            + " | ".join(f"{value:.3g}" if value >= 100 else f"{value:.2g}" for value in ratios)
            + " |"
        )


def published():
    """Print root mean square errors at n = 1024 next to the published ones."""
    n = 1024
    F, hilbert = np.fft.fft(np.eye(n)) / math.sqrt(n), scipy.linalg.hilbert(n)
    t = np.linspace(-1, 1, n + 2)[1:-1]
    matrices = {
        "Fourier": (F, "5.7e-5", Butterfly.dft),
        "Hadamard": (scipy.linalg.hadamard(n) / math.sqrt(n), "3.6e-5", Butterfly.hadamard),
        "cosine": (scipy.fft.dct(np.eye(n), axis=0) / math.sqrt(n), "7.3e-5", Butterfly.dct),
        "Hartley": (F.real - F.imag, "3.6e-5", Butterfly.hartley),
        "Legendre": (np.polynomial.legendre.legvander(t, n - 1).T / math.sqrt(n), "1.57e-3", None),
        "Hilbert": (hilbert / np.linalg.norm(hilbert, 2), "3.7e-4", None),
    }
    head("matrix", "published, learned", "`butterfly_factorize`", "exact operator")
    for name, (W, theirs, constructor) in matrices.items():
        found = np.linalg.norm(butterfly_factorize(W).operator.to_dense() - W) / n
        exact = "none"
        if constructor is not None:
            error = np.linalg.norm(constructor(n).to_dense() / math.sqrt(n) - W) / n
            exact = f"{error:.1e}" if error else "0"
        print(f"| {name} | {theirs} | {found:.2e} | {exact} |")


def transforms():
    """Print relative residuals of transforms that are no single real butterfly."""
    sizes = (16, 64, 256, 1024)
    head("matrix", *(f"$n = {n}$" for n in sizes))
    rng = np.random.default_rng(0)
    kernels = {n: rng.standard_normal(n) for n in sizes}
    matrices = {
        "cosine": lambda n: scipy.fft.dct(np.eye(n), axis=0),
        "sine": lambda n: scipy.fft.dst(np.eye(n), axis=0),
        "Hartley": lambda n: (lambda F: F.real - F.imag)(np.fft.fft(np.eye(n))),
        "convolution": lambda n: scipy.linalg.circulant(kernels[n]),
        "random": lambda n: np.random.default_rng(1).standard_normal((n, n)),
    }
    for name, matrix in matrices.items():
        residuals = [butterfly_factorize(matrix(n)).residual for n in sizes]
        print(f"| {name} | " + " | ".join(f"{residual:.2f}" for residual in residuals) + " |")


def random_butterfly(n, seed):
    """Return a butterfly of random blocks."""
    rng = np.random.default_rng(seed)
    return Butterfly(rng.standard_normal((n.bit_length() - 1, n // 2, 2, 2)) / math.sqrt(2))


def ratio(theirs, ours):
    """Return their least time over ours, in turn, in batches of about a millisecond and more."""
    least = [math.inf, math.inf]
    calls = []
    for function in (theirs, ours):
        function()
        start = time.perf_counter()
        function()
        calls.append(max(1, int(1e-3 / (time.perf_counter() - start))))
    for _ in range(40):
        for place, (function, count) in enumerate(zip((theirs, ours), calls, strict=True)):
            start = time.process_time()
            for _ in range(count):
                function()
            least[place] = min(least[place], (time.process_time() - start) / count)
    return least[0] / least[1]


def head(*columns):
    """Print the head of a table."""
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))


if __name__ == "__main__":
    tables = {"products": products, "published": published, "transforms": transforms}
    with spectralkit.threads(1):
        for name in sys.argv[1:] or tables:
            tables[name]()
            print()
