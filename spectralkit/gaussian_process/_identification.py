"""Frequencies of a solution, read off its source and its boundary."""

import math

import numpy as np
import scipy.linalg
import scipy.signal.windows

from spectralkit.gaussian_process._conditions import rms
from spectralkit.gaussian_process._dictionary import Frame, Lines
from spectralkit.gaussian_process._esprit import ROWS, distinct, poles

# Clusters of poles, in units of 2π over the record: the poles of a line times a polynomial split by the root
# of the rounding unit, lines that can be told apart are further apart.
_WIDTH = 0.02
# Signals of one dimension that are looked at, and how weak ones count.
_N_SIGNALS, _N_TRACES, _WEAK = 40, 10, 1e-8
# Noise is taken to reach so many times its expected size.
_MARGIN = 1.5
# Polynomials of every dictionary (linear solutions have no source), and at the most.
N_POLYNOMIALS, _MAX_POLYNOMIALS, _SLOW = 3, 12, 10


def lines_of(signals, x, tol, n_lines, noise=0.0, *, uncertain=False):
    """Return the dictionary of one dimension that the signals, rows on a grid, ask for.

    ``noise`` is the standard deviation of that of the signals, relative to their largest values.
    """
    n_points, spacing = len(x), (x[-1] - x[0]) / (len(x) - 1)
    width = _WIDTH * 2.0 * math.pi / (spacing * n_points)
    omega = np.zeros(0)
    if len(signals):
        signals = np.asarray(signals)
        # Two poles for each line, and one for each polynomial.
        max_rank = min(2 * n_lines + 4, n_points // 2 - 1)
        found, s = poles(signals, spacing, tol, max_rank)
        # Singular values of noise alone, with a margin.
        rows = min(n_points // 2 + 1, ROWS)
        columns = len(signals) * (n_points - rows + 1)
        floor = _MARGIN * noise * (math.sqrt(rows) + math.sqrt(columns))
        if s.size and floor > tol * s[0]:
            found = np.zeros(0, dtype=complex)
            if floor < s[0]:
                found, _ = poles(signals, spacing, floor / s[0], max_rank)
        omega = found.imag
    at_zero = int(np.sum(np.abs(omega) <= width))
    frequencies, degrees = distinct(omega[omega > width], width)
    # Two integrations raise the degree of a polynomial source by two.
    n_polynomials = min(max(N_POLYNOMIALS, at_zero + 2), _MAX_POLYNOMIALS)
    if uncertain:
        # What is too slow to be a line in noise is a polynomial; and a line times x is the derivative in its
        # frequency, which noise leaves uncertain.
        n_polynomials, degrees = max(n_polynomials, min(_SLOW, n_points // 8)), degrees + 1
    return Lines(x[0], x[-1], frequencies, degrees, n_polynomials)


def source_signals(source, axis, noise_std=0.0):
    """Return signals that span the columns of the source along an axis: its left singular vectors."""
    largest = np.abs(source).max()
    if source.ndim == 1:
        return [source] if largest > _MARGIN * noise_std else []
    if largest == 0.0:
        return []
    M = np.moveaxis(source, axis, 0).reshape(source.shape[axis], -1)
    U, s, _ = np.linalg.svd(M / largest, full_matrices=False)
    floor = _MARGIN * noise_std / largest * (math.sqrt(M.shape[0]) + math.sqrt(M.shape[1]))
    kept = s > max(_WEAK * s[0], floor)
    return list((largest * U * s)[:, kept].T[:_N_SIGNALS])


def boundary_signals(conditions, axis, n_points):
    """Return what the faces along an axis are known to be."""
    signals = []
    for condition in conditions:
        if condition.axis == axis or condition.side is None:
            continue
        others = [a for a in range(condition.values.ndim + 1) if a != condition.axis]
        D = np.moveaxis(condition.values, others.index(axis), 0)
        if D.shape[0] == n_points:  # whole lines only: samples have to be those of the grid
            columns = D.reshape(n_points, -1)
            if columns.shape[1] > _N_TRACES:
                U, s, _ = np.linalg.svd(columns, full_matrices=False)
                columns = (U * s)[:, s > _WEAK * s[0]][:, :_N_TRACES]
            signals += [column for column in columns.T if column.any()]
    return signals


def noise_level(source, x):
    """Return the standard deviation of the noise of a source, along its first dimension.

    It is what the source has above half the Nyquist frequency: what is analytic and below is in the span of
    the Fourier extension, which is projected out. Where lines are above, it is the median of the spectrum
    instead, of which they are a small part.
    """
    columns = source.reshape(len(x), -1)
    largest = float(np.abs(columns).max())
    if largest == 0.0:
        return 0.0
    frame = Frame(x[0], x[-1], len(x) // 3, 1.5)
    Q, pivots, _ = scipy.linalg.qr(frame.evaluate(x), mode="economic", pivoting=True)
    pivots = np.abs(np.diag(pivots))
    Q = Q[:, pivots > 1e-12 * pivots[0]]
    columns = columns / largest
    above = rms(columns - Q @ (Q.T @ columns)) * math.sqrt(len(x) / (len(x) - Q.shape[1]))
    window = scipy.signal.windows.blackmanharris(len(x))[:, None]
    spectrum = np.mean(np.abs(np.fft.rfft(columns * window, axis=0)) ** 2, axis=1)
    # One column: powers are exponentially distributed, and their median is log 2 of the mean.
    share = math.log(2.0) if columns.shape[1] == 1 else 1.0
    middle = math.sqrt(float(np.median(spectrum)) / share / float(np.sum(window**2)))
    return largest * (above if above < 1.5 * middle else middle)
