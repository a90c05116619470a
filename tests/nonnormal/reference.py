"""Matrices far from normal, and what is known about them, from NumPy and SciPy alone."""

import numpy as np
from hypothesis import strategies as st
from scipy.special import eval_legendre

UNIT = np.finfo(np.float64).eps


def legs(n):
    """The state matrix of scaled Legendre memory, and its input vector."""
    r = np.sqrt(2.0 * np.arange(n) + 1.0)
    return -np.tril(np.outer(r, r), -1) - np.diag(np.arange(n) + 1.0), r


def legs_kernel(n, t):
    """``exp(tA) B`` of that system, a row for each t."""
    k, x = np.arange(n), np.exp(-t)[:, None]
    return np.sqrt(2.0 * k + 1.0) * x * eval_legendre(k, 2.0 * x - 1.0)


def jordan(n, eigenvalue=0.0):
    return eigenvalue * np.eye(n) + np.diag(np.ones(n - 1), 1)


def grcar(n):
    return sum(np.diag(np.ones(n - abs(k)), k) for k in range(4) if k < n) - np.diag(np.ones(n - 1), -1)


def gaussian(n, seed=0, *, is_complex=False):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    return A + 1j * rng.standard_normal((n, n)) if is_complex else A


def unitary(n, seed=0, *, is_complex=False):
    return np.linalg.qr(gaussian(n, seed, is_complex=is_complex))[0]


def similar(A, seed=0):
    """A unitarily similar matrix, complex."""
    Q = unitary(len(A), seed, is_complex=True)
    return Q @ A @ Q.conj().T


def shifted_left(A, abscissa=-0.1):
    """The same matrix with that spectral abscissa."""
    return A + (abscissa - np.linalg.eigvals(A).real.max()) * np.eye(len(A))


def smallest_singular_values(A, z):
    """One singular value decomposition for each point."""
    z = np.asarray(z)
    return np.linalg.svd(z[..., None, None] * np.eye(len(A)) - A, compute_uv=False)[..., -1]


def zoom(objective, x, y, n_points=41, levels=14):
    """The largest value of a function over a rectangle, on grids about the best point of the last one."""
    best = -np.inf
    for _ in range(levels):
        X, Y = np.linspace(*x, n_points), np.linspace(*y, n_points)
        values = objective(X + 1j * Y[:, None])
        i, j = np.unravel_index(np.argmax(values), values.shape)
        best = max(best, values[i, j])
        dx, dy = 3.0 * (X[1] - X[0]), 3.0 * (Y[1] - Y[0])
        x, y = (max(X[j] - dx, x[0]), min(X[j] + dx, x[1])), (Y[i] - dy, Y[i] + dy)
    return best


def smallest_on_line(A, x, n_points=601):
    """The smallest singular value on a vertical line, on grids about the local minima of the first.

    To the right of the spectrum it grows with x, as resolvents obey the maximum principle.
    """
    size = np.linalg.norm(A, 2) + abs(x)
    y = np.linspace(-size, size, n_points)
    sigma = smallest_singular_values(A, x + 1j * y)
    best = sigma.min()
    for start in np.argsort(sigma)[:8]:
        centre, step = y[start], y[1] - y[0]
        for _ in range(8):
            around = centre + step * np.linspace(-1.0, 1.0, 15)
            local = smallest_singular_values(A, x + 1j * around)
            centre, step, best = around[np.argmin(local)], step / 5.0, min(best, local.min())
    return best


def kreiss_by_search(A):
    """The largest ratio of ``Re z`` to the smallest singular value, in logarithmic grids."""
    size = np.linalg.norm(A, 2)

    def objective(w):
        x = np.exp(w.real)
        return x / smallest_singular_values(A, x + 1j * w.imag)

    return zoom(objective, np.log([1e-4 * size, 10.0 * size]), (-size, size), 101)


def _integers(n, rng):
    return rng.integers(-2, 3, (n, n)).astype(float)


def _low_rank(n, rng):
    k = max(1, n // 4)
    return rng.standard_normal((n, k)) @ rng.standard_normal((k, n))


def _jordan_blocks(n, rng):
    return np.diag(rng.choice([1.0, 1.0, 1.0, 0.0], size=max(n - 1, 0)), 1) + rng.choice(
        [0.0, -1.0, 2.0]
    ) * np.eye(n)


def _permutation(n, rng):
    return np.eye(n)[rng.permutation(n)]


def _single_entry(n, rng):
    A = np.zeros((n, n))
    A[rng.integers(n), rng.integers(n)] = 1.0
    return A


KINDS = {
    "gaussian": lambda n, rng: rng.standard_normal((n, n)),
    "triangular": lambda n, rng: np.triu(rng.standard_normal((n, n))),
    "nilpotent": lambda n, rng: np.tril(rng.standard_normal((n, n)), -1),
    "dissipative": lambda n, rng: np.tril(rng.standard_normal((n, n)), -1) - 2.0 * n * np.eye(n),
    "integers": _integers,
    "sparse": lambda n, rng: (rng.random((n, n)) < 1.5 / n).astype(float),
    "low rank": _low_rank,
    "Jordan blocks": _jordan_blocks,
    "permutation": _permutation,
    "single entry": _single_entry,
    "zeros": lambda n, rng: np.zeros((n, n)),
    "legs": lambda n, rng: legs(n)[0],
    "grcar": lambda n, rng: grcar(n),
}


@st.composite
def matrices(draw, max_n=40, scales=(1.0, 1e-150, 1e150)):
    """Matrices of a kind by a seed: defective, reducible, singular ones among them."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    n = draw(st.integers(1, max_n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    A = KINDS[kind](n, rng)
    if draw(st.booleans()):
        A = A * np.exp(2j * np.pi * rng.random((n, n)))
    return A * draw(st.sampled_from(scales))
