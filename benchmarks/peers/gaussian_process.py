"""Peers of `spectralkit.gaussian_process`: finite differences, the published step, scikit-learn."""

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

_STEPS = 20


def finite_differences(equation, n_points=None):
    """Return the solution on the grid by finite differences of second order, and the exact one."""
    axes, source, boundary = equation.data(n_points)
    exact = equation.evaluate(axes)[0]
    if equation.operator == "advection":
        return _box_scheme(axes, source, boundary, equation.beta), exact
    known = np.isfinite(boundary).ravel()
    A = _laplacian(axes)
    inner, right = A[~known], source.ravel()[~known]
    right = right - inner[:, known] @ boundary.ravel()[known]
    inner = inner[:, ~known].tocsc()
    u = boundary.ravel().copy()
    found = scipy.sparse.linalg.spsolve(inner, right)
    if equation.operator == "allen_cahn":
        # Newton's method from the solution without the cubic.
        for _ in range(_STEPS):
            left = inner @ found + found * (found**2 - 1) - right
            slope = inner + scipy.sparse.diags_array(3 * found**2 - 1)
            step = scipy.sparse.linalg.spsolve(slope.tocsc(), left)
            found = found - step
            if np.linalg.norm(step) <= 1e-12 * np.linalg.norm(found):
                break
    u[~known] = found
    return u.reshape(boundary.shape), exact


def _laplacian(axes):
    """Second differences along all dimensions; rows of the boundary are not used."""
    total = None
    for k, x in enumerate(axes):
        n, h = len(x), x[1] - x[0]
        D = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) / h**2
        sides = [scipy.sparse.eye_array(len(other)) for other in axes]
        sides[k] = D
        term = sides[0]
        for side in sides[1:]:
            term = scipy.sparse.kron(term, side)
        total = term if total is None else total + term
    return total.tocsr()


def _box_scheme(axes, source, boundary, beta):
    """Differences of the means of neighbouring sides, from the faces where characteristics begin."""
    u = boundary.copy()
    (hx, hy) = (x[1] - x[0] for x in axes)
    a, b = beta / (2 * hx), 1 / (2 * hy)
    f = 0.25 * (source[1:, 1:] + source[1:, :-1] + source[:-1, 1:] + source[:-1, :-1])
    for i in range(u.shape[0] - 1):
        # Along a line of cells, (a + b) u[i+1, j+1] + (a - b) u[i+1, j] = what is known.
        known = f[i] + (a - b) * u[i, 1:] + (a + b) * u[i, :-1]
        known[0] -= (a - b) * u[i + 1, 0]
        band = np.full((2, len(known)), a + b)
        band[1] = a - b
        u[i + 1, 1:] = scipy.linalg.solve_banded((1, 0), band, known)
    return u


def published_forward(x, u, source, boundary, weights, scales, frequencies, v, tau):
    """Logarithm of the joint density that a step of the published solver differentiates, in one dimension.

    A Gaussian kernel and its second derivative for all pairs of points, component by component, a Cholesky
    factorisation, and solves.
    """
    d = x[:, None] - x
    K, second = np.zeros((2, len(x), len(x)))
    for w, s, omega in zip(weights, scales, frequencies, strict=True):
        envelope, phase = w * np.exp(-s * d * d), omega * d
        cosine = np.cos(phase)
        K += envelope * cosine
        second += envelope * (
            (4 * s * s * d * d - 2 * s - omega * omega) * cosine + 4 * s * omega * d * np.sin(phase)
        )
    L = np.linalg.cholesky(K + 1e-6 * np.eye(len(x)))
    solved = scipy.linalg.cho_solve((L, True), u)
    left = second @ solved - source
    edge = u[[0, -1]] - boundary
    joint = -0.5 * u @ solved - np.log(np.diag(L)).sum()
    joint += 200 * (0.5 * len(edge) * np.log(tau) - 0.5 * tau * edge @ edge)
    return joint + 0.5 * len(x) * np.log(v) - 0.5 * v * left @ left, second


def published_flops(n, q):
    """Operations of one step: forward, and about twice as many for the gradient by reverse mode.

    A kernel's value takes 8 for each pair of points and each component and its second derivative 14, where
    an exponential or a cosine counts as one.
    """
    forward = n * n * q * (8 + 14) + n**3 / 3 + 2 * n * n + 2 * n * n
    return 3 * forward


def lines_flops(n, rows, p):
    """Operations of a whole solve in p functions, from the shapes.

    QR and SVD of the Hankel matrix, its shift, least squares. The counts are those of Golub and Van Loan:
    ``2 m r² - 2 r³ / 3`` for R of QR, ``22 r³`` for an SVD with vectors.
    """
    columns = n - rows + 1
    wide, narrow = max(rows, columns), min(rows, columns)
    hankel = 2 * wide * narrow**2 - 2 * narrow**3 / 3 + 22 * narrow**3
    shift = 4 * rows * p**2 + 10 * p**3
    # Thin QR of the functions and their derivatives, applied to the source, and least squares.
    solve = 4 * n * (3 * p) ** 2 + 4 * n * p + 4 * (p + 2) * p**2
    return hankel + shift + solve


def periodic_products(weights, frequencies, length):
    """As many components of scikit-learn's: a constant times RBF times ExpSineSquared, summed."""
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, ExpSineSquared

    parts = [
        ConstantKernel(w) * RBF(length) * ExpSineSquared(1.0, 1.0 / mu)
        for w, mu in zip(weights, frequencies, strict=True)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
