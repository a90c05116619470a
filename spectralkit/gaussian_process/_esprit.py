"""Frequencies of sums of damped sinusoids, by rotational invariance."""

import itertools
from dataclasses import dataclass

import numpy as np

from spectralkit._core.checks import check_integer, check_number, invalid
from spectralkit._core.dtypes import dtype_name, eps
from spectralkit._core.namespaces import array_namespace, from_host, is_numpy, to_host
from spectralkit._core.parallel import block_ranges
from spectralkit._core.results import Result
from spectralkit.gaussian_process._arguments import as_finite, as_result, exponent

# Rows of the Hankel matrices at the most: lines are told apart that are a bin of so many samples apart.
ROWS = 320
# Columns that are reduced at a time (in units of rows), growth or decay over the whole signal beyond which a
# pole is no line, and samples for one line.
_WIDE, _DECAY, _FEWEST = 8, 20.0, 4
# Rounding of samples stays below so many units of the largest singular value.
_ROUNDING = 10.0


@dataclass(frozen=True, repr=False, eq=False)
class EspritResult(Result):
    """
    Lines of signals, as `esprit` returns them.

    Attributes
    ----------
    frequencies : array of shape (r,)
        Angular frequencies in radians per unit, ascending. For real signals those of one of each pair of
        conjugate poles, which are not negative.
    damping : array of shape (r,)
        Rates of decay of the same lines: ``exp(-damping x)``.
    singular_values : array of shape (L,)
        Singular values of the Hankel matrix, descending: a gap shows how many poles there are.
    """

    frequencies: np.ndarray
    damping: np.ndarray
    singular_values: np.ndarray


def esprit(signals, spacing, *, tol=1e-9, max_rank=80):
    """
    Identify the frequencies of sums of damped sinusoids on a uniform grid.

    Not bound to a grid of frequencies, and exact up to rounding for signals without noise, also of lines
    closer than the resolution of a Fourier transform of L samples, below. All signals share their lines,
    which may be absent from some. Costs `O(k N L^2)` for k signals of N samples, with
    L = min(N/2 + 1, 320), and memory `O(k N + L^2)`.

    Parameters
    ----------
    signals : array of shape (N,) or (k, N)
        Samples, real or complex, of any array library; at least 4 of them for each signal.
    spacing : float
        Distance of the samples.
    tol : float, default=1e-9
        Singular values below this share of the largest are noise. For noisy samples raise it to a little
        more than the ratio of noise to signal over ``sqrt(N)``, or give ``max_rank``: otherwise the noise
        is resolved into lines, too. Raised to 1.2e-6 for samples in single precision.
    max_rank : int, default=80
        Poles at the most; a real line has two.

    Returns
    -------
    EspritResult
        Frequencies, damping and singular values, in the library of the signals and in their precision;
        computed in double. Nothing for signals that are zero.

    Raises
    ------
    ValueError
        If there are fewer than 4 samples, values are not finite or out of range, or a spacing is so small
        that frequencies overflow.
    TypeError
        If signals are of an unsupported dtype.

    See Also
    --------
    fourier_extension : A dictionary for signals that are no sum of few lines.
    sparse_spectral_weights : Which lines of a grid a noisy signal has.

    Notes
    -----
    The columns of the Hankel matrices of all signals, each scaled to 1, span the space of the vectors
    ``(1, z, z^2, ..)`` of the poles z. With U an orthonormal basis of it, the eigenvalues of the least
    squares solution of ``U[:-1] X = U[1:]`` are the poles [1]_, whose logarithms over the spacing are
    ``-damping + i frequency``. There is no iteration. The matrix is reduced to a triangle of L columns by
    QR, some columns at a time. Poles that grow or decay by more than exp(20) over the signals are
    dropped.

    A line times a polynomial of degree m is a pole of multiplicity m + 1. It splits into m + 1 poles
    around it, at a distance of the root of the rounding errors; their mean is exact to more digits.
    Frequencies above ``π / spacing`` are aliased.

    References
    ----------
    .. [1] R. Roy and T. Kailath, "ESPRIT: Estimation of signal parameters via rotational invariance
       techniques", IEEE Transactions on Acoustics, Speech, and Signal Processing 37 (1989), 984-995.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.gaussian_process import esprit
    >>> x = np.linspace(0.0, 1.0, 100)
    >>> y = np.sin(31.4 * x) + 0.01 * np.exp(-2.0 * x) * np.cos(33.0 * x)
    >>> lines = esprit(y, x[1])
    >>> lines.frequencies.round(6), lines.damping.round(6) + 0.0
    (array([31.4, 33. ]), array([0., 2.]))
    """
    signals, xp, dtype = as_finite("signals", signals, allow_complex=True)
    if signals.ndim == 1:
        signals = signals[None, :]
    if signals.ndim != 2 or not signals.shape[0]:
        shape = f"shape {tuple(signals.shape)}"
        raise ValueError(invalid("signals", "of shape (N,) or (k, N), with at least one signal", shape))
    if signals.shape[1] < _FEWEST:
        samples = f"{signals.shape[1]} samples"
        raise ValueError(invalid("signals", f"of at least {_FEWEST} samples", samples))
    spacing = check_number("spacing", spacing, 0.0, open_low=True)
    tol = check_number("tol", tol, 0.0, 1.0, open_low=True, open_high=True)
    max_rank = check_integer("max_rank", max_rank, 1)
    real = not xp.isdtype(signals.dtype, "complex floating")
    precision = eps(dtype)
    if precision > np.finfo(np.float64).eps:
        tol = max(tol, _ROUNDING * precision)
    found, singular_values = poles(signals, spacing, tol, max_rank)
    if real:
        found = found[found.imag >= 0.0]  # one of each conjugate pair
    found = found[np.argsort(found.imag, kind="stable")]
    kind = dtype if real else getattr(xp, {"complex64": "float32"}.get(dtype_name(dtype), "float64"))
    columns = (found.imag, -found.real, singular_values)
    what = "every frequency and rate"
    return EspritResult(
        *(as_result(from_host(c, xp, signals), xp, kind, "spacing", what, spacing) for c in columns)
    )


def poles(signals, spacing, tol, max_rank):
    """Return all ``log z / spacing`` of the poles, and the singular values, on the host.

    ``signals`` is a checked array of shape (k, N) of any library, in double precision.
    """
    triangle = _triangle_of_hankel(signals)
    if triangle is None:
        return np.zeros(0, dtype=np.complex128), np.zeros(0)
    xp, R = triangle
    U, s, _ = xp.linalg.svd(R.T, full_matrices=False)
    U, s = np.asarray(to_host(U)), np.asarray(to_host(s))
    # The shift of a space is determined by its vectors without their last entries.
    rank = min(int(np.sum(s > tol * s[0])), max_rank, U.shape[0] - 1)
    U = U[:, :rank]
    shift = np.linalg.lstsq(U[:-1], U[1:], rcond=None)[0]
    with np.errstate(divide="ignore"):  # a pole at 0 is dropped below
        log_z = np.log(np.linalg.eigvals(shift).astype(np.complex128))
    log_z = log_z[np.abs(log_z.real) * signals.shape[1] <= _DECAY]
    with np.errstate(over="ignore"):
        # Part by part: a complex quotient inverts the spacing, which overflows earlier.
        return (log_z.view(np.float64) / spacing).view(np.complex128), s


def _triangle_of_hankel(signals):
    """Return the namespace, and R of a QR factorisation of the transposed Hankel matrices of all signals.

    None for signals that are zero.
    """
    xp = array_namespace(signals=signals)
    n = signals.shape[1]
    rows = min(n // 2 + 1, ROWS)
    n_columns = n - rows + 1
    R, pending = None, []
    for i in range(signals.shape[0]):
        largest = max(float(xp.max(xp.abs(part))) for part in _parts(signals[i, :], xp))
        if largest == 0.0:
            continue
        signal = signals[i, :] * 2.0 ** -exponent(largest)  # else moduli and inverses may overflow
        # Blocks about 1 large: a weak signal has lines, too.
        signal = signal / float(xp.max(xp.abs(signal)))
        for start, stop in block_ranges(n_columns, _WIDE * rows):
            pending.append(xp.stack([signal[start + m : stop + m] for m in range(rows)], axis=1))
            if sum(block.shape[0] for block in pending) >= _WIDE * rows:
                R, pending = _reduce(R, pending, xp), []
    if pending:
        R = _reduce(R, pending, xp)
    return None if R is None else (xp, R)


def _parts(signal, xp):
    """Return the real and imaginary part, or a real signal."""
    complex_ = xp.isdtype(signal.dtype, "complex floating")
    return (xp.real(signal), xp.imag(signal)) if complex_ else (signal,)


def _reduce(R, blocks, xp):
    """Return R of a QR factorisation of R and the blocks stacked."""
    stacked = xp.concat(blocks if R is None else [R, *blocks], axis=0)
    return np.linalg.qr(stacked, mode="r") if is_numpy(xp) else xp.linalg.qr(stacked).R


def distinct(frequencies, width):
    """Return the means of clusters closer than ``width``, and how many are in each; without zero.

    The poles of a line times a polynomial split symmetrically about it by the root of the rounding unit:
    the mean is right.
    """
    frequencies = np.sort(np.abs(frequencies))
    if not frequencies.size:
        return np.zeros(0), np.zeros(0, dtype=int)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(frequencies) >= width) + 1, [frequencies.size]])
    means = np.array([frequencies[i:j].mean() for i, j in itertools.pairwise(starts)])
    counts = np.diff(starts)
    kept = means > width
    return means[kept], counts[kept]
