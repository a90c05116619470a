"""Frequencies of a solution, read off its source and its boundary."""

import math

import numpy as np
import scipy.linalg

from spectralkit.gaussian_process._conditions import rms
from spectralkit.gaussian_process._dictionary import Frame, Lines
from spectralkit.gaussian_process._esprit import ROWS, distinct, poles

# Clusters of poles, in units of 2π over the record: the poles of a line times a polynomial split by the root
# of the rounding unit, lines that can be told apart are further apart.
_WIDTH = 0.02
# Signals of one dimension that are looked at, and how weak ones count.
_N_SIGNALS, _N_TRACES, _WEAK = 40, 10, 1e-8
# Polynomials of every dictionary (linear solutions have no source), and at the most.
N_POLYNOMIALS, _MAX_POLYNOMIALS, _SLOW = 3, 12, 10


def lines_of(signals, x, tol, n_lines, *, uncertain=False):
    """Return the dictionary of one dimension that the signals, rows on a grid, ask for."""
    n_points, spacing = len(x), (x[-1] - x[0]) / (len(x) - 1)
    width = _WIDTH * 2.0 * math.pi / (spacing * n_points)
    omega = np.zeros(0)
    if len(signals):
        # Two poles for each line, and one for each polynomial.
        found, _ = poles(np.asarray(signals), spacing, tol, min(2 * n_lines + 4, n_points // 2 - 1))
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
    if source.ndim == 1:
        return [source] if source.any() else []
    M = np.moveaxis(source, axis, 0).reshape(source.shape[axis], -1)
    largest = np.abs(M).max()
    if largest == 0.0:
        return []
    U, s, _ = np.linalg.svd(M / largest, full_matrices=False)
    floor = noise_std / largest * (math.sqrt(M.shape[0]) + math.sqrt(M.shape[1]))
    kept = s > max(_WEAK * s[0], floor)
    return list((U * s)[:, kept].T[:_N_SIGNALS])


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


def noise_variance(source, x):
    """Return the variance of what a source has above half the Nyquist frequency, along its first dimension.

    What is analytic and below is in the span of the Fourier extension, which is projected out.
    """
    frame = Frame(x[0], x[-1], len(x) // 3, 1.5)
    Q, pivots, _ = scipy.linalg.qr(frame.evaluate(x), mode="economic", pivoting=True)
    pivots = np.abs(np.diag(pivots))
    Q = Q[:, pivots > 1e-12 * pivots[0]]
    columns = source.reshape(len(x), -1)
    left = columns - Q @ (Q.T @ columns)
    return rms(left) ** 2 * len(x) / (len(x) - Q.shape[1])


def esprit_tolerance(signals_rms, noise_std, n_points):
    """Return the relative singular value below which a Hankel matrix of noisy signals is noise."""
    rows = min(n_points // 2 + 1, ROWS)
    columns = n_points - rows + 1
    if signals_rms == 0.0:
        return 1e-9
    return 2.0 * noise_std / signals_rms * (math.sqrt(rows) + math.sqrt(columns)) / math.sqrt(rows * columns)
