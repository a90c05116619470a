"""How far a matrix is from normal, in numbers: eigenvalue conditions, abscissas, transient growth."""

import math

import numpy as np
import scipy.linalg
import scipy.optimize

from spectralkit._core.arrays import power_of_two
from spectralkit._core.checks import check_number
from spectralkit.nonnormal._arguments import as_square, real_name, spectral_norm
from spectralkit.nonnormal._pseudospectrum import smallest_singular_values

_UNIT = np.finfo(np.float64).eps


def eigenvalue_condition(A):
    """
    Return the condition numbers of the eigenvalues.

    An eigenvalue moves by at most about its condition number times the norm of a small perturbation. All
    are 1 for a normal matrix without repeated eigenvalues. Cost `O(n^3)`, one eigendecomposition with left
    and right vectors.

    Parameters
    ----------
    A : array of shape (n, n)
        A real or complex matrix, on the host.

    Returns
    -------
    array of shape (n,)
        Condition numbers, in the order of ``numpy.linalg.eig``; infinite where the left and right
        eigenvectors are orthogonal, as for a defective eigenvalue.

    Raises
    ------
    ValueError
        If ``A`` is not square and finite.
    TypeError
        If ``A`` is not on the host, or of a dtype that is not supported.

    See Also
    --------
    perturb_then_diagonalize : A matrix nearby whose eigenvalues are better conditioned.

    Notes
    -----
    ``||x|| ||y|| / |y^* x|`` for right and left eigenvectors x and y [1]_.

    References
    ----------
    .. [1] J. H. Wilkinson, "The Algebraic Eigenvalue Problem", Oxford University Press, 1965.

    Examples
    --------
    >>> from spectralkit.nonnormal import eigenvalue_condition
    >>> eigenvalue_condition([[1.0, 100.0], [0.0, 2.0]]).round(3)
    array([100.005, 100.005])
    """
    A, dtype = as_square("A", A)
    _, left, right = scipy.linalg.eig(A / power_of_two(A, np), left=True, right=True)
    products = np.abs(np.sum(left.conj() * right, axis=0))
    lengths = np.linalg.norm(left, axis=0) * np.linalg.norm(right, axis=0)
    with np.errstate(divide="ignore", over="ignore"):
        return np.maximum(lengths / products, 1.0).astype(real_name(dtype))


def numerical_abscissa(A):
    """
    Return the largest real part of the numerical range.

    It is the growth rate of ``||exp(tA)||`` at t = 0; if it is not positive, nothing ever grows. Cost
    `O(n^3)`.

    Parameters
    ----------
    A : array of shape (n, n)
        A real or complex matrix, on the host.

    Returns
    -------
    float
        Largest eigenvalue of the Hermitian part ``(A + A^*) / 2``.

    Raises
    ------
    ValueError
        If ``A`` is not square and finite.
    TypeError
        If ``A`` is not on the host, or of a dtype that is not supported.

    See Also
    --------
    pseudospectral_abscissa : The same for pseudospectra.
    kreiss_constant : A bound on transient growth.

    Examples
    --------
    >>> from spectralkit.nonnormal import numerical_abscissa
    >>> numerical_abscissa([[-1.0, 4.0], [0.0, -1.0]])
    1.0
    """
    A, _ = as_square("A", A)
    scale = power_of_two(A, np)
    A = A / scale
    top = [len(A) - 1, len(A) - 1]
    return float(scipy.linalg.eigvalsh(0.5 * (A + A.conj().T), subset_by_index=top)[0]) * scale


def pseudospectral_abscissa(A, eps):
    """
    Return the largest real part of the eps-pseudospectrum.

    That is of the eigenvalues of all ``A + E`` with ``||E||_2 <= eps``. Cost `O(n^3)` for each of about five
    pairs of searches, with eigenproblems of order 2n.

    Parameters
    ----------
    A : array of shape (n, n)
        A real or complex matrix, on the host.
    eps : float
        Norm of the perturbations, in the units of ``A``: not relative. Below about ``n u ||A||``, with the
        rounding unit u, they are not resolved, and the spectral abscissa may come back.

    Returns
    -------
    float
        The abscissa.

    Raises
    ------
    ValueError
        If ``A`` is not square and finite, or ``eps`` is not positive.
    TypeError
        If ``A`` is not on the host, or of a dtype that is not supported.

    See Also
    --------
    pseudospectrum : The whole picture.
    kreiss_constant : The largest ratio of this to eps.

    Notes
    -----
    The criss-cross method [1]_: a vertical line cuts the pseudospectrum in intervals, whose ends are the
    imaginary eigenvalues of a Hamiltonian matrix; from the middle of each a horizontal search, another
    Hamiltonian eigenproblem, leads to the boundary on the right, where the next vertical line is drawn. It
    ends when nothing is gained beyond rounding, quadratically fast.

    References
    ----------
    .. [1] J. V. Burke, A. S. Lewis and M. L. Overton, "Robust stability and a criss-cross algorithm for
       pseudospectra", IMA Journal of Numerical Analysis 23, 2003.

    Examples
    --------
    >>> from spectralkit.nonnormal import pseudospectral_abscissa
    >>> round(pseudospectral_abscissa([[-1.0, 10.0], [0.0, -1.0]], 0.1), 6)  # -1 + sqrt(1.01)
    0.004988
    """
    A, _ = as_square("A", A)
    eps = check_number("eps", eps, 0.0, open_low=True, remedy="It is absolute, in the units of A.")
    scale = max(power_of_two(A, np), math.ldexp(1.0, math.frexp(eps)[1] - 1))
    return scale * _criss_cross(A / scale, eps / scale)


def _criss_cross(A, eps):
    eigenvalues = np.linalg.eigvals(A)
    size = spectral_norm(A) + eps
    rightmost = eigenvalues[np.argmax(eigenvalues.real)]
    x, start = float(rightmost.real), np.array([rightmost.imag])
    for _ in range(100):
        best = max((_rightmost(A, x, float(y), eps) for y in start), default=x)
        if best <= x + 4.0 * _UNIT * size:
            break
        x = best
        heights = _crossings(A, x, eps, size)
        middles = 0.5 * (heights[1:] + heights[:-1])
        start = middles[smallest_singular_values(A, x + 1j * middles, 1e-10) < eps]
    return x


def _crossings(A, x, eps, size):
    """Return where the boundary of the pseudospectrum may cross a vertical line."""
    eye = np.eye(len(A))
    H = np.block([[A - x * eye, eps * eye], [-eps * eye, x * eye - A.conj().T]])
    values = np.linalg.eigvals(H)
    # Where the line touches the boundary two eigenvalues meet, and rounding moves them by its root. More than
    # the true ones does no harm: what lies between is looked at.
    return np.sort(values.imag[np.abs(values.real) <= 1e-6 * size])


def _rightmost(A, x, y, eps):
    """Return the rightmost point of the pseudospectrum on a horizontal line, from a point that is inside."""
    eye = np.eye(len(A))
    B = A - 1j * y * eye
    values = np.linalg.eigvals(np.block([[B, eps * eye], [eps * eye, B.conj().T]]))
    size = np.abs(values).max() + eps
    # Real eigenvalues are the boundary, but rounding moves those of a matrix as far from normal as this.
    candidates = np.append(values.real[np.abs(values.imag) <= 1e-3 * size], x)
    inside = smallest_singular_values(B, candidates, 1e-6) <= 1.01 * eps
    return _boundary(B, float(candidates[inside].max(initial=x)), eps, size)


def _boundary(B, x, eps, size):
    """Return the boundary near x, by Newton's method on the smallest singular value."""
    best = -math.inf
    for _ in range(20):
        sigma, slope = _singular_value(B, complex(x))
        if sigma <= eps * (1.0 + 1e-9) + 4.0 * _UNIT * size:
            best = max(best, x)
        step = (eps - sigma) / slope.real if slope.real else 0.0
        if abs(step) <= 4.0 * _UNIT * size or abs(step) > 0.1 * size:
            break
        x += step
    return best


def _singular_value(A, z):
    """Return the smallest singular value of ``z - A``, and its gradient: the real part is that along x."""
    U, s, Vh = np.linalg.svd(z * np.eye(len(A)) - A)
    return float(s[-1]), complex(U[:, -1].conj() @ Vh[-1].conj()).conjugate()


def kreiss_constant(A):
    """
    Return the Kreiss constant of ``dx/dt = A x``.

    Transient growth is at least that and at most ``e n`` times it: ``K <= sup_t ||exp(tA)|| <= e n K``. It
    is 1 where nothing grows, and infinite where the system is unstable. Cost `O(n^2)` for each of some
    thousand points of a grid, and `O(n^3)` for each of about a hundred steps.

    Parameters
    ----------
    A : array of shape (n, n)
        A real or complex matrix, on the host.

    Returns
    -------
    float
        The constant, at least 1; ``inf`` if an eigenvalue has a positive real part, or the ratio below still
        grows towards the imaginary axis where double precision ceases to resolve it.

    Raises
    ------
    ValueError
        If ``A`` is not square and finite.
    TypeError
        If ``A`` is not on the host, or of a dtype that is not supported.

    See Also
    --------
    pseudospectral_abscissa : The abscissa whose largest ratio to eps this is.
    numerical_abscissa : The growth rate at t = 0.

    Notes
    -----
    ``K = sup_ε α_ε / ε = sup Re z / σ_min(zI - A)`` over the right half-plane [1]_. The maximum is looked for
    on a grid, refined by quasi-Newton steps, and then searched for along the vertical and the horizontal line
    through it, which is exact, until neither has more. It is a lower bound in any case. Real parts and growth
    rates at t = 0 below ``10 n u ||A||``, with the rounding unit u, count as zero: scale a stiff matrix in
    blocks where that matters.

    References
    ----------
    .. [1] L. N. Trefethen and M. Embree, "Spectra and Pseudospectra", Princeton University Press, 2005.

    Examples
    --------
    >>> from spectralkit.nonnormal import kreiss_constant
    >>> round(kreiss_constant([[-1.0, 10.0], [0.0, -1.0]]), 3)
    2.6
    """
    A, _ = as_square("A", A)
    A = A / power_of_two(A, np)
    size = spectral_norm(A)
    rounding = 10.0 * len(A) * _UNIT * size
    if size == 0.0 or numerical_abscissa(A) <= rounding:
        return 1.0
    eigenvalues = np.linalg.eigvals(A)
    growth = eigenvalues.real * (eigenvalues.real > 0.0) / rounding
    if np.any(growth > np.minimum(eigenvalue_condition(A), 1.0 / _UNIT)):
        return math.inf
    heights = np.concatenate([eigenvalues.imag, np.linspace(-size, size, 61)])
    points = size * np.logspace(-9.0, 1.0, 31)[:, None] + 1j * heights
    # Peaks of slow eigenvalues are as close to the axis as those are.
    floor = 10.0 * rounding
    close = np.stack([np.abs(eigenvalues.real), np.abs(eigenvalues)]) + 1j * eigenvalues.imag
    z = _best(A, np.append(points, close[close.real > floor]))
    while True:
        z = _climb(A, z, size, floor)
        ratio = z.real / max(_singular_value(A, z)[0], math.ulp(0.0))
        if ratio * rounding > z.real:
            return _at_resolution(A, z, rounding)
        higher = _best(A, _on_lines(A, z, max(ratio, 1.0 + 1e-9), size, floor))
        if higher is None or higher.real <= (1.0 + 1e-6) * ratio * _singular_value(A, higher)[0]:
            return max(ratio, 1.0)
        z = higher


def _at_resolution(A, z, rounding):
    """Return the ratio where it is resolved, to the right of a point; infinity if it falls from there."""
    while _singular_value(A, z)[0] < rounding:
        z = complex(2.0 * z.real, z.imag)
    further = complex(4.0 * z.real, z.imag)
    here, there = (point.real / _singular_value(A, point)[0] for point in (z, further))
    return here if here < 1.5 * there else math.inf


def _best(A, points):
    """Return the point of the largest ratio of ``Re z`` to the smallest singular value; None of none."""
    sigma = smallest_singular_values(A, points, 1e-8)
    return complex(points[np.argmax(points.real / np.maximum(sigma, 1e-300))]) if points.size else None


def _climb(A, z, size, floor):
    """Return the local maximum of the ratio, in the logarithm of ``Re z`` and in ``Im z`` over ``Re z``.

    Peaks are about as wide as they are far from the axis.
    """

    def negative(p):
        x = math.exp(p[0])
        sigma, slope = _singular_value(A, complex(x, z.imag + p[1] * z.real))
        sigma = max(sigma, 1e-300)
        gradient = np.array([slope.real / sigma * x - 1.0, slope.imag / sigma * z.real])
        return math.log(sigma) - p[0], gradient

    start = np.array([math.log(z.real), 0.0])
    sides = tuple((side * size - z.imag) / z.real for side in (-2.0, 2.0))
    bounds = [(math.log(floor), math.log(1e3 * size)), sides]
    found = scipy.optimize.minimize(negative, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-14)
    if found.fun >= negative(start)[0]:
        return z
    return complex(math.exp(found.x[0]), z.imag + found.x[1] * z.real)


def _on_lines(A, z, ratio, size, floor):
    """Return points between those where the ratio is as given, on the vertical and the horizontal line."""
    heights = _crossings(A, z.real, z.real / ratio, size)
    vertical = z.real + 0.5j * (heights[1:] + heights[:-1])
    # Where x / σ_min = ratio: x is an eigenvalue of a pencil, whose other matrix has a simple inverse.
    eye = np.eye(len(A))
    B = A - 1j * z.imag * eye
    pencil = np.block([[B, B.conj().T / ratio], [B / ratio, B.conj().T]]) / (1.0 - ratio**-2)
    values = np.linalg.eigvals(pencil)
    x = np.sort(values.real[(np.abs(values.imag) <= 1e-6 * size) & (values.real > floor)])
    return np.concatenate([vertical, 0.5 * (x[1:] + x[:-1]) + 1j * z.imag])
