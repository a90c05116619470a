"""Gaussian-process solution of linear differential equations, hyper-parameters by maximum evidence."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize

from spectralkit._core.results import Result
from spectralkit.gaussian_process._identification import noise_level
from spectralkit.gaussian_process._spectral_mixture import matern

# Least variance of the noise, relative to the mean square of the source, and least jitter, relative to
# the diagonal: smaller ones leave nothing of the Cholesky factor of a Gram matrix of sharp lines.
_NOISE_FLOOR, _JITTER = 1e-10, 1e-10
# Bandwidths that a new component may start with, in units of one over the length of the interval: a
# line, a modulated line, two kinds of broad bands.
_WIDTHS = (0.2, 1.0, 4.0, 16.0)
# Hyper-priors, as standard deviations of logarithms: weight of the background, other weights, scales.
_BACKGROUND_STD, _WEIGHT_STD, _SCALE_STD = 3.0, 5.0, 2.0
# A distance that stands for 0.
_TINY = 1e-30
# Iterations of one ascent, and of one that only compares.
_ASCENT, _COMPARISON = 100, 33


def _matern(z, nu, highest):
    """Return the derivatives 0..highest of the Matérn function of order nu at z >= 0."""
    # Derivatives of more than 2 nu are infinite at 0, where they are multiplied by 0 later.
    z, unit = np.maximum(z, _TINY), 1.0 / math.sqrt(2.0 * nu)
    return [matern(z, unit, nu, order) for order in range(highest + 1)]


def _waves(lags, scales, frequencies, spectrum, nu, highest):
    """Return the derivatives 0..highest of envelope(d) e^{iωd} at d >= 0, each (lags, components)."""
    d = lags[:, None]
    if spectrum == "gaussian":
        wave = np.exp(-scales * d * d + 1j * frequencies * d)
        slope = -2.0 * scales * d + 1j * frequencies
        values = [wave, slope * wave]
        for n in range(1, highest):
            values.append(slope * values[n] - (2.0 * n * scales) * values[n - 1])
        return values
    c = math.sqrt(2.0 * nu) * scales
    envelope = [c**n * value for n, value in enumerate(_matern(c * d, nu, highest))]
    wave, i_omega = np.exp(1j * frequencies * d), 1j * frequencies
    values = []
    for n in range(highest + 1):
        total = envelope[0] * i_omega  # Horner's rule in iω
        for j in range(1, n):
            total = (total + math.comb(n, j) * envelope[j]) * i_omega
        values.append(wave * (total + envelope[n] if n else envelope[0]))
    return values


def _derivatives(waves, d, order, scales_power, frequencies):
    """Return the derivatives of waves[order] by the logarithm of the scale and by the frequency."""
    wave, following = waves[order], waves[order + 1]
    before = order * waves[order - 1] if order else 0.0
    # both spectra are functions of scale^power·d, so that a change of scale is d ∂/∂d of the envelope
    by_scale = d * (following - 1j * frequencies * wave) + order * wave - 1j * frequencies * before
    return scales_power * by_scale, 1j * (d * wave + before)


class Covariance:
    """
    Covariance of the values of L u on a grid and of functionals of u at points, under a stationary prior.

    It depends on the prior through the derivatives of k at few distinct lags only. The Gram matrix
    gathers from that table, and derivatives by hyper-parameters scatter back to it: O(N²) in place of
    O(N² Q).

    Parameters
    ----------
    x : array of shape (N,)
        Uniform grid.
    terms : list of (coefficient, order)
        The operator L.
    faces : list of (list of (point, order, factor), value)
        Functionals of u; their values are not used.
    spectrum : {"gaussian", "student_t"}
        Shape of the components.
    nu : float
        Order of the Matérn function, for "student_t".
    """

    def __init__(self, x, terms, faces, spectrum, nu):
        self.x, self.terms, self.spectrum, self.nu = x, terms, spectrum, nu
        self.faces = [rows for rows, _ in faces]
        self.n = n = len(x)
        self.scales_power = 0.5 if spectrum == "gaussian" else 1.0
        self.spacing = spacing = (x[-1] - x[0]) / (n - 1)
        self.toeplitz = {}  # L applied to both arguments; odd orders cancel
        for c, o in terms:
            for b, p in terms:
                if (o + p) % 2 == 0:
                    self.toeplitz[o + p] = self.toeplitz.get(o + p, 0.0) + b * c * (-1.0) ** p
        self.entries, others = [], []  # (rows, column, order, factors, index of lags)
        for b, functional in enumerate(self.faces):
            for point, order, factor in functional:
                sign = factor * (-1.0) ** order
                parts = [(np.arange(n), o + order, c * sign, x - point) for c, o in terms]
                for a, other in enumerate(self.faces):
                    row = np.array([n + a])
                    parts += [(row, o + order, f * sign, np.array([p - point])) for p, o, f in other]
                for rows, total, constant, lags in parts:
                    index = np.rint(np.abs(lags) / spacing).astype(int)
                    off = (np.abs(np.abs(lags) / spacing - index) > 1e-6) | (index >= n)
                    index[off] = n + len(others) + np.arange(off.sum())
                    others.extend(np.abs(lags[off]))
                    factors = constant * np.where(lags < 0.0, (-1.0) ** total, 1.0)
                    self.entries.append((rows, n + b, total, factors, index))
        self.lags = np.concatenate([spacing * np.arange(n), others])
        self.orders = sorted(set(self.toeplitz) | {entry[2] for entry in self.entries})

    def waves(self, scales, frequencies, lags=None, highest=None):
        """
        Return the derivatives of the components, one order more than the Gram matrix needs.

        Parameters
        ----------
        scales, frequencies : array of shape (Q,)
            The components.
        lags : array of shape (n,), optional
            Distances; the distinct ones of the data if not given.
        highest : int, optional
            Highest order.

        Returns
        -------
        list of complex array of shape (n, Q)
            Orders 0 to ``highest``.
        """
        lags = self.lags if lags is None else lags
        highest = self.orders[-1] + 1 if highest is None else highest
        return _waves(lags, scales, frequencies, self.spectrum, self.nu, highest)

    def gram(self, table):
        """
        Return the Gram matrix of a covariance function.

        Parameters
        ----------
        table : dict
            Derivatives of the function at the distinct lags, by order.

        Returns
        -------
        array of shape (N + m, N + m)
            Values of L u first, then the functionals.
        """
        n, size = self.n, self.n + len(self.faces)
        K = np.zeros((size, size))
        K[:n, :n] = scipy.linalg.toeplitz(sum(c * table[order][:n] for order, c in self.toeplitz.items()))
        for rows, column, order, factors, index in self.entries:
            K[rows, column] += factors * table[order][index]
        K[n:, :n] = K[:n, n:].T
        return K

    def adjoint(self, M):
        """
        Return the derivative of tr(M K) by the table: sums of M over equal lags.

        Parameters
        ----------
        M : array of shape (N + m, N + m)
            Symmetric; only the lower triangle is read.

        Returns
        -------
        dict
            One array over the distinct lags for each order.
        """
        n = self.n
        padded = np.zeros((n, 2 * n))
        padded[:, n:] = np.tril(M[:n, :n])
        # row i read backwards from column i: subdiagonals become columns
        step = padded.itemsize
        skewed = np.lib.stride_tricks.as_strided(
            padded.ravel()[n:], (n, n), ((2 * n + 1) * step, -step), writeable=False
        )
        sums = skewed.sum(axis=0)
        sums[1:] *= 2.0
        table = {order: np.zeros(len(self.lags)) for order in self.orders}
        for order, c in self.toeplitz.items():
            table[order][:n] += c * sums
        for rows, column, order, factors, index in self.entries:
            if rows[0] < n:
                values = 2.0 * M[column, rows]
            else:
                values = M[np.maximum(rows, column), np.minimum(rows, column)]
            table[order] += np.bincount(index, factors * values, len(self.lags))
        return table

    def slopes(self, table, waves, weights, frequencies):
        """
        Return the derivatives of tr(M K) by log weight, log scale and frequency of every component.

        Parameters
        ----------
        table : dict
            The adjoint of M.
        waves : list of array
            The components at the distinct lags.
        weights, frequencies : array of shape (Q,)
            The components.

        Returns
        -------
        array of shape (3 Q,)
            Derivatives, component by component.
        """
        slopes = np.zeros((len(weights), 3))
        for order, m in table.items():
            md = m * self.lags
            # what _derivatives does, after the sum over the lags
            summed = {order: m @ waves[order], order + 1: md @ waves[order + 1]}
            moved = md @ waves[order]
            before = order * (m @ waves[order - 1]) if order else 0.0
            by_scale = summed[order + 1] - 1j * frequencies * (moved + before) + order * summed[order]
            slopes[:, 0] += summed[order].real
            slopes[:, 1] += self.scales_power * by_scale.real
            slopes[:, 2] -= (moved + before).imag
        return (weights[:, None] * slopes).ravel()

    def cross(self, points, order, scale, frequency):
        """
        Return the covariance of a derivative of u at points with the data, for one component of weight 1.

        Parameters
        ----------
        points : array of shape (n,)
            Where u is wanted.
        order : int
            Order of the derivative of u.
        scale, frequency : float
            The component.

        Returns
        -------
        array of shape (3, n, N + m)
            The covariance and its derivatives by log scale and by frequency.
        """
        out = np.zeros((3, len(points), self.n + len(self.faces)))
        data = [(slice(0, self.n), self.x, c, o) for c, o in self.terms]
        for b, functional in enumerate(self.faces):
            data += [(slice(self.n + b, self.n + b + 1), np.array([p]), f, o) for p, o, f in functional]
        for columns, places, c, o in data:
            d = np.subtract.outer(points, places)
            total = order + o
            lags = np.abs(d).ravel()
            waves = self.waves(np.array([scale]), np.array([frequency]), lags, total + 1)
            factors = c * (-1.0) ** o * np.where(d < 0.0, (-1.0) ** total, 1.0)
            parts = _derivatives(waves, lags[:, None], total, self.scales_power, frequency)
            for k, part in enumerate((waves[total], *parts)):
                out[k, :, columns] += factors * part.real.reshape(d.shape)
        return out


def _unpack(theta):
    components = theta[:-1].reshape(-1, 3)
    return np.exp(components[:, 0]), np.exp(components[:, 1]), components[:, 2], math.exp(theta[-1])


def _factor(K, n, noise_var):
    """Return the Cholesky factor of K, with noise on n rows; the jitter grows until there is one."""
    diagonal = K.diagonal().copy()
    jitter = _JITTER
    while jitter <= 1e-2:
        A = K.copy()
        np.fill_diagonal(A, diagonal * (1.0 + jitter))
        A.flat[: n * (len(A) + 1) : len(A) + 1] += noise_var
        L, failed = scipy.linalg.lapack.dpotrf(A, lower=1, overwrite_a=1, clean=0)
        if not failed:
            return L
        jitter *= 10.0
    raise np.linalg.LinAlgError("the Gram matrix is not positive definite: scales out of range")


def negative_log_evidence(theta, covariance, data):
    """
    Return minus the logarithm of the evidence and its gradient.

    One Cholesky factor, one inverse and O(N² + N Q): about 6 ms for N = 400 and 30 components.

    Parameters
    ----------
    theta : array of shape (3 Q + 1,)
        Log weight, log scale and angular frequency of every component, then the noise's log variance.
    covariance : Covariance
        The data's functionals.
    data : array of shape (N + m,)
        Values of the source, then those of the functionals.

    Returns
    -------
    value : float
        Without the constant (N + m)/2 log 2π.
    gradient : array of shape (3 Q + 1,)
        Derivatives by theta.
    """
    weights, scales, frequencies, noise_var = _unpack(theta)
    waves = covariance.waves(scales, frequencies)
    K = covariance.gram({order: waves[order].real @ weights for order in covariance.orders})
    L = _factor(K, covariance.n, noise_var)
    alpha = scipy.linalg.lapack.dpotrs(L, data, lower=1)[0]
    value = 0.5 * float(data @ alpha) + float(np.log(L.diagonal()).sum())
    M = scipy.linalg.lapack.dpotri(L, lower=1, overwrite_c=1)[0]
    M -= np.outer(alpha, alpha)
    slopes = covariance.slopes(covariance.adjoint(M), waves, weights, frequencies)
    by_noise = noise_var * M.diagonal()[: covariance.n].sum()
    return value, 0.5 * np.append(slopes, by_noise)


@dataclass(frozen=True, repr=False, eq=False)
class EvidencePosterior(Result):
    """
    Posterior of the solution of a linear differential equation under a spectral-mixture prior.

    Attributes
    ----------
    weights : array of shape (Q,)
        Prior variances of the components of u.
    frequencies : array of shape (Q,)
        Angular frequencies.
    scales : array of shape (Q,)
        Scales of the envelopes.
    noise_var : float
        Variance of the noise of the source.
    log_evidence : float
        Logarithm of the density of the data at these hyper-parameters.
    n_iter : int
        Iterations of all ascents.
    converged : bool
        Whether the search ended before its limit.
    """

    weights: np.ndarray
    frequencies: np.ndarray
    scales: np.ndarray
    noise_var: float
    log_evidence: float
    n_iter: int
    converged: bool
    _covariance: Covariance
    _data: np.ndarray
    _unit: float
    _theta: np.ndarray
    _precision: np.ndarray

    @functools.cached_property
    def _solved(self):
        """Factor of the Gram matrix and its solution for the data, in units of the source."""
        covariance = self._covariance
        weights, scales, frequencies, noise_var = _unpack(self._theta)
        waves = covariance.waves(scales, frequencies, highest=covariance.orders[-1])
        K = covariance.gram({order: waves[order].real @ weights for order in covariance.orders})
        L = _factor(K, covariance.n, noise_var)
        return L, scipy.linalg.lapack.dpotrs(L, self._data, lower=1)[0]

    @property
    def coef(self):
        """Coefficients of the covariances with the data, (N + m,)."""
        return self._unit * self._solved[1] if len(self.weights) else np.zeros(len(self._data))

    @functools.cached_property
    def _uncertainty(self):
        """K^-1 K_i K^-1 y for every hyper-parameter i, and a root of their covariance.

        Fisher information is tr(K^-1 K_i K^-1 K_j)/2, from L^-1 K_i L^-T: never negative.
        """
        covariance, theta = self._covariance, self._theta
        weights, scales, frequencies, noise_var = _unpack(theta)
        L, alpha = self._solved
        solve = functools.partial(scipy.linalg.solve_triangular, L, lower=True, check_finite=False)
        waves = covariance.waves(scales, frequencies)
        lags, changes = covariance.lags[:, None], {}
        for order in covariance.orders:
            parts = _derivatives(waves, lags, order, covariance.scales_power, frequencies)
            changes[order] = [weights * part.real for part in (waves[order], *parts)]
        whitened, moves = np.empty((len(theta), L.size)), np.empty((len(theta), len(alpha)))
        for i in range(len(theta)):
            if i < len(theta) - 1:
                change = covariance.gram({o: changes[o][i % 3][:, i // 3] for o in covariance.orders})
            else:
                change = np.diag(np.where(np.arange(len(alpha)) < covariance.n, noise_var, 0.0))
            whitened[i] = solve(solve(change).T).ravel()
            moves[i] = solve(solve(change @ alpha), trans=1)
        information = 0.5 * whitened @ whitened.T + np.diag(self._precision)
        units = np.sqrt(information.diagonal())
        values, vectors = np.linalg.eigh(information / np.outer(units, units))
        return moves, vectors / np.sqrt(np.maximum(values, 1e-10)) / units[:, None]

    def mean(self, x, order=0):
        """
        Return the posterior mean of u or of a derivative.

        Parameters
        ----------
        x : array of shape (n,)
            Points.
        order : int, default 0
            Order of the derivative.

        Returns
        -------
        array of shape (n,)
            Mean.
        """
        x = np.asarray(x, dtype=float)
        return np.concatenate([np.zeros(0)] + [self._moments(part, order, False) for part in _chunks(x)])

    def std(self, x, order=0):
        """
        Return the posterior standard deviation of u or of a derivative.

        Parameters
        ----------
        x : array of shape (n,)
            Points.
        order : int, default 0
            Order of the derivative.

        Returns
        -------
        array of shape (n,)
            Standard deviation, that of the hyper-parameters included to first order.
        """
        x = np.asarray(x, dtype=float)
        return np.concatenate([np.zeros(0)] + [self._moments(part, order, True) for part in _chunks(x)])

    def _moments(self, x, order, std):
        if not len(self.weights):
            return np.zeros(len(x))
        covariance = self._covariance
        L, alpha = self._solved
        weights, scales, frequencies, _ = _unpack(self._theta)
        C = np.zeros((len(x), len(alpha)))
        J = np.zeros((len(self._theta), len(x)))
        for q, (w, s, f) in enumerate(zip(weights, scales, frequencies, strict=True)):
            parts = w * covariance.cross(x, order, s, f)
            C += parts[0]
            J[3 * q : 3 * q + 3] = parts @ alpha
        if not std:
            return self._unit * (C @ alpha)
        own = covariance.waves(scales, frequencies, np.zeros(1), max(2 * order, 1))[2 * order][0].real
        half = scipy.linalg.solve_triangular(L, C.T, lower=True, check_finite=False)
        variance = (-1.0) ** order * float(own @ weights) - (half**2).sum(axis=0)
        moves, root = self._uncertainty
        J -= moves @ C.T
        return self._unit * np.sqrt(np.maximum(variance, 0.0) + ((root.T @ J) ** 2).sum(axis=0))


def _chunks(x, size=256):
    return [x[i : i + size] for i in range(0, len(x), size)]


def fit_evidence(
    x,
    source,
    terms,
    faces,
    frequencies,
    *,
    spectrum="gaussian",
    nu=2.5,
    n_components=30,
    noise_var=0.0,
    max_iter=500,
):
    """
    Solve L u = f with noise, and boundary conditions, by a Gaussian process with the best evidence.

    u has the covariance Σ w e^{-s d²} cos ωd, or that with Matérn envelopes, and is conditioned on
    f + noise and on the boundary. Costs O(N³) an evaluation, some hundreds of them.

    Parameters
    ----------
    x : array of shape (N,)
        Uniform grid.
    source : array of shape (N,)
        The right-hand side f, noisy.
    terms : list of (coefficient, order)
        L = Σ coefficient ∂^order.
    faces : list of (list of (point, order, factor), value)
        Conditions Σ factor u^(order)(point) = value.
    frequencies : array of shape (k,)
        Angular frequencies identified before, as starts of lines; may be empty, and may be wrong.
    spectrum : {"gaussian", "student_t"}, default "gaussian"
        Shape of the components.
    nu : float, default 2.5
        Order of the Matérn function, for "student_t"; greater than the order of L.
    n_components : int, default 30
        Most components, besides the background.
    noise_var : float, default 0.0
        Variance of the noise of the source; 0 learns it.
    max_iter : int, default 500
        Most iterations in all.

    Returns
    -------
    EvidencePosterior
        Mean and standard deviation of u anywhere.

    Notes
    -----
    Many components with free weights overfit: together they explain white noise, whose double integral
    then spoils u. So there are as few as the data ask for. It begins with one smooth background, as large
    as u may be; a component is added where the evidence of f rises fastest with its weight, and all are
    ascended jointly. It stays if the logarithm of the evidence rises by 3/2 log N, which is Schwarz's
    criterion for three parameters, and goes, the background of Gaussian spectra too, if it falls by less
    without it. Standard deviations include the uncertainty of the hyper-parameters by the delta method,
    with their Fisher information. What L and the boundary leave undetermined is as sure as the prior says:
    too sure. Without noise the floor, 1e-5 of the source, limits the accuracy: 1e-8 to 1e-6, worse where
    slow parts of u are drowned in the source.
    """
    model = _Model(x, source, terms, faces, spectrum, nu, n_components, noise_var, max_iter)
    if model.unit == 0.0:
        none = np.zeros(0)
        flat = Covariance(x, terms, faces, spectrum, nu)
        return EvidencePosterior(none, none, none, noise_var, 0.0, 0, True, flat, none, 0.0, none, none)
    best = model.shrink(model.search(np.asarray(frequencies, dtype=float)))
    weights, scales, omega, variance = _unpack(best.state[0])
    unit, size = model.unit, len(model.data)
    value = negative_log_evidence(best.state[0], model.covariance, model.data)[0]
    precision = best.state[2].copy()
    if noise_var > 0.0:
        precision[-1] = 1e12  # known
    return EvidencePosterior(
        weights=weights * unit**2,
        frequencies=omega,
        scales=scales,
        noise_var=variance * unit**2,
        log_evidence=-value - size * (0.5 * math.log(2.0 * math.pi) + math.log(unit)),
        n_iter=model.n_iter,
        converged=model.n_iter < max_iter,
        _covariance=model.covariance,
        _data=model.data,
        _unit=unit,
        _theta=best.state[0],
        _precision=precision,
    )


@dataclass(frozen=True)
class _Ascent:
    """Penalised value, and rows of theta, of the means and precisions of its prior, and of its steps."""

    value: float
    state: np.ndarray


class _Model:
    """Search for the components, in units of the source's root mean square."""

    def __init__(self, x, source, terms, faces, spectrum, nu, n_components, noise_var, max_iter):
        self.x, self.terms, self.spectrum, self.nu = x, terms, spectrum, nu
        # A Matérn function at a frequency explains what is slow by its tail, and leaves u no freedom there.
        self.has_fixed_background = spectrum == "student_t"
        self.n_components, self.max_iter, self.n_iter = n_components, max_iter, 0
        self.n, self.length = len(x), x[-1] - x[0]
        self.highest = 0.95 * math.pi * (self.n - 1) / self.length
        self.penalty = 1.5 * math.log(self.n)
        values = np.array([value for _, value in faces], dtype=float)
        lift = np.array([self.length ** max(order for _, order, _ in rows) for rows, _ in faces])
        size = float(np.max(np.abs(values) * lift, initial=0.0))  # of u
        largest = float(np.abs(source).max(initial=0.0))
        rms = largest * math.sqrt(np.mean((source / largest) ** 2)) if largest > 0.0 else 0.0
        # a source of rounding errors is no unit: the boundary is then all there is
        self.unit = max(rms, 1e-6 * size * math.sqrt(self.symbol(np.array([1.0 / self.length]))[0]))
        if self.unit == 0.0:
            return
        self.source = source / self.unit
        self.data = np.concatenate([self.source, values / self.unit])
        self.covariance = Covariance(x, terms, faces, spectrum, nu)
        self.alone = Covariance(x, terms, [], spectrum, nu)  # without the boundary
        self.fixed, self.least_noise = noise_var > 0.0, math.log(_NOISE_FLOOR)
        noise = max(noise_var / self.unit / self.unit, _NOISE_FLOOR) if self.fixed else 1.0
        waves = np.arange(1, self.n // 2) * math.pi / self.length
        power = np.abs(np.exp(-1j * np.outer(waves, x)) @ self.source) ** 2 * 2.0 / self.n**2
        self.background = max(float(np.max(power / self.symbol(waves))), (size / self.unit) ** 2)
        log_weight = math.log(self.background)
        self.start = np.array([[math.log(noise)], [0.0], [0.0], [1.0]])
        self.start = self.with_component(self.start, log_weight, 2.0 / self.length, 0.0, _BACKGROUND_STD)

    def symbol(self, frequencies):
        """Return |L(iω)|², away from zero."""
        parts = np.array([c * (1j * frequencies) ** order for c, order in self.terms])
        return np.maximum(np.abs(parts.sum(axis=0)) ** 2, 1e-6 * (np.abs(parts) ** 2).sum(axis=0))

    def scale(self, width):
        """Return the scale of an envelope whose spectrum has this width."""
        return 0.5 * width**2 if self.spectrum == "gaussian" else width

    def with_component(self, state, log_weight, width, frequency, weight_std=_WEIGHT_STD):
        """Return the state with one more component; its start is the mean of its prior."""
        log_scale = math.log(self.scale(width))
        loose = 2.0 * max(width, 1.0 / self.length)
        theta = [log_weight, log_scale, frequency]
        precision = [weight_std**-2, _SCALE_STD**-2, loose**-2]
        block = np.array([theta, theta, precision, [1.0, 1.0, min(width, 1.0 / self.length)]])
        return np.concatenate([state[:, :-1], block, state[:, -1:]], axis=1)

    def value(self, theta, state):
        """Return the penalised value and its gradient."""
        try:
            value, gradient = negative_log_evidence(theta, self.covariance, self.data)
        except np.linalg.LinAlgError:
            return 1e100, np.zeros_like(theta)
        away = theta - state[1]
        return value + 0.5 * float(state[2] @ away**2), gradient + state[2] * away

    def ascend(self, state, limit=_ASCENT):
        """Return where the penalised evidence has been ascended to, from a state."""
        theta, step = state[0], state[3]
        limit = max(min(limit, self.max_iter - self.n_iter), 1)
        count = len(theta) // 3
        middle = math.log(self.background)
        scales = [math.log(self.scale(w)) for w in (0.01 / self.length, 0.3 * self.highest)]
        low = np.append(np.tile([middle - 60.0, scales[0], 0.0], count), self.least_noise)
        high = np.append(np.tile([middle + 30.0, scales[1], self.highest], count), math.log(10.0))
        if self.fixed:
            low[-1] = high[-1] = theta[-1]
        if self.has_fixed_background:
            high[2] = 0.0

        def scaled(z):
            value, gradient = self.value(theta + step * z, state)
            return value, step * gradient

        result = scipy.optimize.minimize(
            scaled,
            np.zeros_like(theta),
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([(low - theta) / step, (high - theta) / step], axis=1),
            options={"maxiter": limit, "maxcor": 30, "ftol": 1e-8, "gtol": 1e-3},
        )
        self.n_iter += result.nit
        return _Ascent(float(result.fun), np.vstack([theta + step * result.x, state[1:]]))

    def search(self, frequencies):
        """Return an ascent with the components that the evidence asks for."""
        if not self.has_fixed_background or self.fixed:
            return self.grow(self.start, frequencies)
        # L of a Matérn process is rough: the background alone would take up the noise, and keep it.
        start = self.start.copy()
        start[0, -1] = math.log(max(noise_level(self.source, self.x) ** 2, _NOISE_FLOOR))
        self.fixed = True
        best = self.grow(start, frequencies)
        self.fixed = False
        # Of an order just above that of L it still would.
        self.least_noise = max(self.least_noise, start[0, -1] - math.log(4.0))
        return self.grow(best.state, frequencies)

    def grow(self, state, frequencies):
        """Return an ascent with components added until the evidence asks for no more."""
        best = self.ascend(state)
        while len(best.state[0]) // 3 <= self.n_components and self.n_iter < self.max_iter:
            trials = self.candidates(best.state, frequencies)
            trials.sort(key=lambda trial: trial.value)
            # the best of every bandwidth is a start; two of them are pursued
            trials = trials[:1] + [t for t in trials if t.state[1, -3] != trials[0].state[1, -3]][:1]
            ascents = [self.ascend(trial.state, _COMPARISON) for trial in trials]
            new = min(ascents, key=lambda ascent: ascent.value, default=best)
            if best.value - new.value < self.penalty:
                break
            best = self.ascend(new.state)
        return best

    def shrink(self, best):
        """Return an ascent with the components left out that the evidence does not ask for."""
        while len(best.state[0]) > 4 and self.n_iter < self.max_iter:
            firsts = range(3 * self.has_fixed_background, len(best.state[0]) - 1, 3)
            without = [np.delete(best.state, np.s_[i : i + 3], axis=1) for i in firsts]
            without.sort(key=lambda state: self.value(state[0], state)[0])
            ascents = [self.ascend(state, _COMPARISON) for state in without[:2]]
            new = min(ascents, key=lambda ascent: ascent.value)
            if new.value - best.value > self.penalty:
                break
            best = self.ascend(new.state)
        return best

    def candidates(self, state, frequencies):
        """Return states with one more component, by the score of its weight at zero.

        For a component that fills r dimensions with variance S of the model and Q of the data, the
        evidence rises by r/2 (Q/S - 1 - log Q/S) at the most. The boundary is left out: it can forbid a
        component that is right once others change.
        """
        weights, scales, omega, noise_var = _unpack(state[0])
        covariance, length, n = self.alone, self.length, self.n
        waves = covariance.waves(scales, omega, highest=covariance.orders[-1])
        K = covariance.gram({o: waves[o].real @ weights for o in covariance.orders})
        L = _factor(K, n, noise_var)
        alpha = scipy.linalg.lapack.dpotrs(L, self.source, lower=1)[0]
        inverse = covariance.adjoint(scipy.linalg.lapack.dpotri(L, lower=1)[0])
        squares = covariance.adjoint(np.outer(alpha, alpha))
        trials = []
        for width in np.array(_WIDTHS) / length:
            if width > 0.25 * self.highest:
                break
            places = np.arange(0.0, 0.95 * self.highest, max(width, 1.0 / length))
            if width == _WIDTHS[0] / length:
                given = frequencies[(frequencies > 0.0) & (frequencies < self.highest)]
                places = np.concatenate([places[1:], given])
            waves = covariance.waves(np.full(len(places), self.scale(width)), places)
            S = sum(inverse[o] @ waves[o].real for o in covariance.orders)
            ratio = np.maximum(sum(squares[o] @ waves[o].real for o in covariance.orders) / S, 1.0)
            rank = 2.0 + 2.0 * width * length
            i = int(np.argmax(ratio))
            if ratio[i] <= 1.0:
                continue
            for share in (0.1, 1.0):
                log_weight = math.log(max(ratio[i] - 1.0, 0.1) / S[i] * rank * share)
                added = self.with_component(state, log_weight, width, places[i])
                for drop in (0.0,) if self.fixed else (0.0, 0.7, 2.5):  # of the noise, that it explains
                    trial = added.copy()
                    trial[0, -1] = max(trial[0, -1] - drop, self.least_noise)
                    trials.append(_Ascent(self.value(trial[0], trial)[0], trial))
        return trials
