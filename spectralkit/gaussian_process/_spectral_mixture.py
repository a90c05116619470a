"""Spectral-mixture covariance functions and their derivatives."""

import math

import array_api_compat
import numpy as np
import scipy.special

from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.namespaces import array_namespace, is_numpy
from spectralkit.gaussian_process._arguments import as_finite, as_parameter, as_result

SPECTRA = ("gaussian", "student_t")
HIGHEST_ORDER = 4
HIGHEST_NU = 30.0
PARAMETERS = "d, weights, means and scales"

# Where exp(-x²) and exp(-x) have underflown to 0.
_GAUSSIAN_REACH, _STUDENT_REACH = 40.0, 800.0


def spectral_mixture(d, weights, means, scales, *, spectrum="gaussian", nu=2.5, order=0):
    """
    Evaluate a spectral-mixture covariance function, or a derivative of it.

    A stationary kernel for quasi-periodic and high-frequency functions: its spectral density is a mixture
    of bumps, so that each component is a line of width ``scales`` at the frequency ``means``. Derivatives
    up to order 4 make it the kernel of a differential equation. Costs `O(Q D)` passes over ``d``; the
    memory is a few arrays of the size of the result.

    Parameters
    ----------
    d : array of shape (...) or (..., D)
        Differences of inputs, of any array library; the last axis is that of the D dimensions where
        ``means`` has two axes.
    weights : array of shape (Q,) or (Q, D)
        Variances of the components, not negative.
    means : array of shape (Q,) or (Q, D)
        Frequencies in cycles per unit.
    scales : array of shape (Q,) or (Q, D)
        Decay of the components, not negative: the coefficient of ``d^2`` for "gaussian", the inverse of
        the length scale for "student_t".
    spectrum : {"gaussian", "student_t"}, default="gaussian"
        Shape of the bumps: normal, or Student's t with ``2 nu`` degrees of freedom.
    nu : float, default=2.5
        Smoothness of "student_t", in (0, 30]. Other than half an odd number only with NumPy.
    order : int or tuple of D ints, default=0
        Order of the derivative in ``d``, 0 to 4; one for each dimension where there are several. Below
        ``2 nu`` for "student_t".

    Returns
    -------
    array of shape (...)
        The covariances, of the library and dtype of ``d``; computed in double precision.

    Raises
    ------
    ValueError
        If shapes do not match, values are not finite or out of range, or the derivative does not exist
        or overflows.
    TypeError
        If arrays are complex, of an unsupported dtype or of different libraries, or orders are no
        integers.

    See Also
    --------
    SpectralMixtureKernel : The same as a kernel of scikit-learn, with gradients.
    sparse_spectral_weights : Which lines of a dense grid a signal has.

    Notes
    -----
    With ``M_ν`` the Matérn function, ``k(d) = exp(-s d^2) cos(2 π μ d)`` for "gaussian" and
    ``k(d) = M_ν(s |d|) cos(2 π μ d)`` for "student_t" [1]_, [2]_. There is neither a half nor a square at
    s. In several dimensions, weights of shape (Q,) give ``Σ_q w_q Π_j k_qj(d_j)``, weights of shape
    (Q, D) give ``Π_j Σ_q w_qj k_qj(d_j)``.

    Derivatives of Gaussians follow the recurrence of Hermite polynomials. Those of ``M_ν`` are sums of
    ``z^p z^μ K_μ(z)`` with ``p >= 0``, whose limits at 0 are finite: nothing cancels or overflows there.

    References
    ----------
    .. [1] A. G. Wilson and R. P. Adams, "Gaussian Process Kernels for Pattern Discovery and
       Extrapolation", ICML 2013, arXiv:1302.4245.
    .. [2] S. Fang, M. Cooley, D. Long, S. Li, R. M. Kirby and S. Zhe, "Solving High Frequency and
       Multi-Scale PDEs with Gaussian Processes", ICLR 2024, arXiv:2311.04465.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.gaussian_process import spectral_mixture
    >>> d = np.array([0.0, 0.5, 1.0])
    >>> spectral_mixture(d, [2.0], [1.0], [0.1]).round(3)
    array([ 2.   , -1.951,  1.81 ])
    >>> spectral_mixture(d, [1.0], [0.0], [1.0], spectrum="student_t", order=2).round(3)
    array([-1.667, -0.473,  0.314])
    """
    given = {"weights": weights, "means": means, "scales": scales}
    arrays = {name: value for name, value in given.items() if array_api_compat.is_array_api_obj(value)}
    d, xp, dtype = as_finite("d", d)
    array_namespace(d=d, **arrays)
    nu = check_spectrum(spectrum, nu, xp)
    weights, means, scales = check_components(**given)
    D = means.shape[1] if means.ndim == 2 else 1
    orders = _check_order(order, D, spectrum, nu)
    differences = [d]
    if means.ndim == 2:
        if d.ndim < 1 or d.shape[-1] != D:
            raise ValueError(invalid("d", f"of shape (..., {D}), as means has it", f"shape {tuple(d.shape)}"))
        differences = [d[..., j] for j in range(D)]
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            value = mixture(differences, weights, means, scales, spectrum, nu, orders, xp)
    except OverflowError:  # of a power of a frequency or a scale
        value = xp.asarray(math.inf, dtype=xp.float64)
    what = f"the derivative of order {order}" if any(orders) else "the covariance"
    return as_result(value, xp, dtype, PARAMETERS, what)


def check_spectrum(spectrum, nu, xp=np):
    """Return the smoothness as a float."""
    check_option("spectrum", spectrum, SPECTRA)
    nu = check_number("nu", nu, 0.0, HIGHEST_NU, open_low=True)
    if spectrum == "student_t" and not _is_half_integer(nu) and not (is_numpy(xp) or xp is np):
        remedy = "Bessel functions of other orders are known to NumPy arrays only."
        raise ValueError(invalid("nu", "half-integer (0.5, 1.5, 2.5)", nu, remedy))
    return nu


def check_components(weights, means, scales):
    """Return the parameters as float64 on the host, once their shapes and signs are right."""
    means = as_parameter("means", means)
    if means.ndim not in (1, 2) or not means.size:
        raise ValueError(invalid("means", "of shape (Q,) or (Q, D), not empty", f"shape {means.shape}"))
    weights, scales = as_parameter("weights", weights), as_parameter("scales", scales)
    if weights.shape not in (means.shape[:1], means.shape):
        expected = " or ".join(dict.fromkeys(map(str, (means.shape[:1], means.shape))))
        remedy = "There is one weight for each component of means."
        raise ValueError(invalid("weights", f"of shape {expected}", f"shape {weights.shape}", remedy))
    if scales.shape != means.shape:
        raise ValueError(invalid("scales", f"of the shape {means.shape} of means", f"shape {scales.shape}"))
    for name, value in (("weights", weights), ("scales", scales)):
        if (value < 0.0).any():
            raise ValueError(invalid(name, "non-negative", float(value.min())))
    return weights, means, scales


def _check_order(order, D, spectrum, nu):
    """Return the orders of all dimensions."""
    if isinstance(order, tuple | list):
        orders = tuple(check_integer("order", m, 0, HIGHEST_ORDER) for m in order)
        if len(orders) != D:
            raise ValueError(invalid("order", f"of one integer for each of {D} dimensions", order))
    else:
        order = check_integer("order", order, 0, HIGHEST_ORDER)
        if order and D > 1:
            remedy = f"Give a tuple of {D} orders, one for each dimension."
            raise ValueError(invalid("order", "a tuple in several dimensions", order, remedy))
        orders = (order,) * D
    if spectrum == "student_t" and max(orders) >= 2.0 * nu:
        remedy = "The kernel has no such derivative at 0: raise nu."
        raise ValueError(invalid("order", f"below 2 nu = {2.0 * nu:g}", max(orders), remedy))
    return orders


def mixture(differences, weights, means, scales, spectrum, nu, orders, xp=np):
    """Sum components for differences given as one array for each dimension, from checked parameters."""
    Q, D = len(means), len(differences)
    means, scales = means.reshape(Q, D), scales.reshape(Q, D)

    def factor(q, j):
        return component(differences[j], float(means[q, j]), float(scales[q, j]), spectrum, nu, orders[j], xp)

    if weights.ndim == 1:
        return sum(float(weights[q]) * math.prod(factor(q, j) for j in range(D)) for q in range(Q))
    return math.prod(sum(float(weights[q, j]) * factor(q, j) for q in range(Q)) for j in range(D))


def component(d, mean, scale, spectrum, nu, order, xp=np):
    """Evaluate a derivative of one component of weight 1 in one dimension."""
    omega = 2.0 * math.pi * mean
    d = within_reach(d, scale, spectrum, nu, xp)
    cos, sin = xp.cos(omega * d), xp.sin(omega * d)
    if spectrum == "gaussian":
        # Real and imaginary part of e = exp(-s d² + i ω d): with a = -2 s d + i ω its derivatives are
        # e^(n+1) = a e^(n) - 2 s n e^(n-1).
        envelope = gaussian(d, scale, xp)
        before_re = before_im = 0.0
        re, im = envelope * cos, envelope * sin
        slope = -2.0 * scale * d
        for n in range(order):
            next_re = slope * re - omega * im - 2.0 * scale * n * before_re
            next_im = slope * im + omega * re - 2.0 * scale * n * before_im
            before_re, before_im, re, im = re, im, next_re, next_im
        return re
    # The derivatives of cos in turn, and Leibniz' rule.
    waves = (cos, -sin, -cos, sin)
    return sum(
        math.comb(order, m) * omega ** (order - m) * matern(d, scale, nu, m, xp) * waves[(order - m) % 4]
        for m in range(order + 1)
    )


def within_reach(d, scale, spectrum, nu, xp=np):
    """Cut differences where the kernel has long been 0, so that none of its factors overflows."""
    if scale == 0.0:
        return d
    if spectrum == "gaussian":
        reach = _GAUSSIAN_REACH / math.sqrt(scale)
    else:
        reach = _STUDENT_REACH / (math.sqrt(2.0 * nu) * scale)
    return xp.clip(d, -reach, reach) if math.isfinite(reach) else d


def gaussian(d, scale, xp=np):
    """Evaluate ``exp(-s d²)`` without an overflow of the square."""
    t = math.sqrt(scale) * d
    return xp.exp(-t * t)


def matern(d, scale, nu, order, xp=np):
    """Evaluate a derivative in d of the Matérn function ``M_ν(a |d|)``.

    The function is ``2^(1-ν) / Γ(ν) z^ν K_ν(z)`` with z = √(2ν) a |d|. By the chain rule through d² and
    ``(z^μ K_μ)' = -z z^(μ-1) K_(μ-1)`` its derivatives are sums of ``z^(n-2k) z^μ K_μ(z)`` with
    μ = ν - n + k. Where μ is negative, the powers are taken together, because ``z^μ`` alone is infinite at
    0.
    """
    c = math.sqrt(2.0 * nu) * scale
    z = c * xp.abs(d)
    total = 0.0
    for k in range(order // 2 + 1):
        mu = nu - order + k
        power = order - 2 * k if mu >= 0.0 else 2.0 * nu - order
        ways = math.factorial(order) / (math.factorial(k) * math.factorial(order - 2 * k))
        total = total + (-1.0) ** (order - k) * 0.5**k * ways * power_bessel(z, power, abs(mu), xp)
    if order % 2:
        total = total * xp.sign(d)
    return c**order * 2.0 ** (1.0 - nu) / math.gamma(nu) * total


def matern_by_log_scale(d, scale, nu):
    """Evaluate the derivative of ``M_ν(a |d|)`` in log a, of NumPy arrays."""
    z = math.sqrt(2.0 * nu) * scale * np.abs(d)
    power = 2.0 if nu >= 1.0 else 2.0 * nu
    return -(2.0 ** (1.0 - nu)) / math.gamma(nu) * power_bessel(z, power, abs(nu - 1.0))


def power_bessel(z, power, mu, xp=np):
    """Evaluate ``z^p z^μ K_μ(z)``, at 0 too, for z, p, μ not negative and p positive where μ is 0."""
    if _is_half_integer(mu):
        # √(π/2) exp(-z) times a polynomial with positive coefficients.
        m = int(mu)
        value = 0.0 * z
        for j in range(m + 1):
            value = z * value + math.factorial(m + j) / (math.factorial(j) * math.factorial(m - j) * 2.0**j)
        value = math.sqrt(0.5 * math.pi) * xp.exp(-z) * value
    elif mu > 0.0:
        K = scipy.special.kv(mu, z)
        # K overflows for z of at most 1e-10, where its first term is exact.
        value = np.where(np.isfinite(K), z**mu * np.where(np.isfinite(K), K, 0.0), _limit(mu))
    else:
        value = scipy.special.kv(0.0, np.where(z > 0.0, z, 1.0))
    return z**power * value if power else value


def _limit(mu):
    return 2.0 ** (mu - 1.0) * math.gamma(mu)


def _is_half_integer(mu):
    return (mu - 0.5).is_integer()
