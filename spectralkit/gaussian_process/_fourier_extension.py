"""Fourier functions on an interval shorter than their period."""

import math

import numpy as np

from spectralkit._core.checks import check_integer, check_number, invalid
from spectralkit.gaussian_process._arguments import as_finite, as_result, check_ndim


def fourier_extension(x, n_modes, period, *, order=0):
    """
    Evaluate the Fourier functions of a period longer than the data, or their derivatives.

    A dictionary for any analytic function on an interval, periodic or not: restricted to an interval
    shorter than the period, Fourier functions are a frame, in which approximations converge geometrically
    without the ringing of a periodic series. Cost and memory `O(n K)` for K modes.

    Parameters
    ----------
    x : array of shape (n,)
        Points, of any array library.
    n_modes : int
        Number K of sines and of cosines beside the constant.
    period : float
        Period; 1.5 to 2 times the length of the interval is usual.
    order : int, default=0
        Order of the derivative in x.

    Returns
    -------
    array of shape (n, 2 K + 1)
        Columns ``cos(2 π k x / period)`` for k = 0 to K, then ``sin(2 π k x / period)`` for k = 1 to K,
        or their derivatives. Of the library and dtype of ``x``; computed in double precision.

    Raises
    ------
    ValueError
        If x is not one-dimensional or not finite, a number is out of range, or phases or the derivative
        overflow.
    TypeError
        If x is complex or of an unsupported dtype, or a number of the wrong type.

    See Also
    --------
    esprit : The few frequencies of a signal that is a sum of lines.

    Notes
    -----
    A frame on N equispaced points has singular values down to rounding, and more than one set of
    coefficients for a function. Solve by least squares with truncation, ``rcond`` about 1e-13: the
    coefficients then stay small and the residual is near rounding, which the condition number would not
    lead one to expect [2]_. Take at least twice as many points as functions for each wavelength, which is
    ``K <= 0.25 N T`` with T the period over the length of the interval; nearer to the critical number 6
    to 8 digits are lost [1]_.

    Columns of the derivative are as large as ``(2 π k / period)^order``. In equations with derivatives
    scale columns to about one size before the truncation.

    References
    ----------
    .. [1] B. Adcock and D. Huybrechs, "On the resolution power of Fourier extensions for oscillatory
       functions", Journal of Computational and Applied Mathematics 260 (2014), 312-336.
    .. [2] B. Adcock and D. Huybrechs, "Frames and numerical approximation", SIAM Review 61 (2019),
       443-473.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.gaussian_process import fourier_extension
    >>> x = np.linspace(0.0, 1.0, 200)
    >>> Phi = fourier_extension(x, 20, 2.0)
    >>> coef = np.linalg.lstsq(Phi, np.exp(x), rcond=1e-13)[0]
    >>> bool(np.abs(Phi @ coef - np.exp(x)).max() < 1e-12)
    True
    >>> bool(np.abs(fourier_extension(x, 20, 2.0, order=1) @ coef - np.exp(x)).max() < 1e-8)
    True
    """
    x, xp, dtype = as_finite("x", x)
    check_ndim("x", x, 1, "(n,)")
    n_modes = check_integer("n_modes", n_modes, 0)
    period = check_number("period", period, 0.0, open_low=True)
    order = check_integer("order", order, 0)
    highest = 2.0 * math.pi * n_modes / period
    if not math.isfinite(highest) or (highest > 1.0 and order * math.log(highest) > 700.0):
        remedy = f"The derivative of a wave of frequency {highest:.3g} overflows."
        raise ValueError(invalid("order", "smaller", order, remedy))
    k = xp.arange(n_modes + 1, dtype=xp.float64, device=x.device)
    lowest = 2.0 * math.pi / period if n_modes else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        phase = lowest * x[:, None] * k[None, :]
    if not bool(xp.all(xp.isfinite(phase))):
        remedy = f"The phase of a wave of frequency {highest:.3g} overflows."
        raise ValueError(invalid("x", "smaller", float(xp.max(xp.abs(x))), remedy))
    # The derivatives of cos in turn; those of sin are one step behind.
    waves = (xp.cos, lambda t: -xp.sin(t), lambda t: -xp.cos(t), xp.sin)
    powers = (lowest * k) ** order
    columns = [waves[order % 4](phase), waves[(order - 1) % 4](phase[:, 1:])]
    value = xp.concat([powers * columns[0], powers[1:] * columns[1]], axis=1)
    return as_result(value, xp, dtype, "order", "the derivative", order)
