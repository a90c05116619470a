"""Spectral mixtures as a kernel of scikit-learn's Gaussian processes."""

import math

import numpy as np
import scipy.optimize
import scipy.signal
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, StationaryKernelMixin
from sklearn.utils.validation import check_X_y

from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.parallel import block_ranges
from spectralkit.gaussian_process._arguments import as_parameter, as_result, exponent
from spectralkit.gaussian_process._spectral_mixture import (
    PARAMETERS,
    check_components,
    check_spectrum,
    matern,
    matern_by_log_scale,
    mixture,
    within_reach,
)

# Points of the periodogram for one cycle over the record, elements of a block of it, and of a block of
# rows of the gradient.
_OVERSAMPLING, _BLOCK_ELEMENTS, _GRADIENT_ELEMENTS = 5, 2**20, 2**15
_PARAMETERS = PARAMETERS.replace("d,", "X,")
_LEAST, _GREATEST = np.finfo(np.float64).tiny, np.finfo(np.float64).max
# Groups of points with the other coordinates in common are signals when they are so long on average.
_SHORTEST = 8
# Weight of a line that is started from, as a share of the variance: the least, and the largest, because
# lines closer than the resolution may cancel. And the least as a share of what no line explains.
_WEIGHT_FLOOR, _LARGEST, _RESIDUAL_SHARE = 1e-6, 4.0, 0.1


class SpectralMixtureKernel(StationaryKernelMixin, Kernel):
    """
    Spectral-mixture kernel for scikit-learn's Gaussian processes, with gradients.

    For series with several periods, also such that fade: each component is a line of the spectrum with a
    width. Likelihoods have many optima in the frequencies, so begin at those of the data, by `from_data`.
    A matrix of n rows costs `O(n^2 Q D)`, its gradient as much again, and memory of `n^2` numbers for
    each hyperparameter.

    Parameters
    ----------
    weights : array of shape (Q,) or (Q, D)
        Variances of the components: of products over the dimensions, or of the factors of a product of
        mixtures.
    means : array of shape (Q,) or (Q, D)
        Frequencies in cycles per unit; of shape (Q,) for inputs of one column.
    scales : array of shape (Q,) or (Q, D)
        Decay of the components, as in `spectral_mixture`.
    spectrum : {"gaussian", "student_t"}, default="gaussian"
        Shape of the lines.
    nu : float, default=2.5
        Smoothness of "student_t".
    weights_bounds : pair of floats, array of shape (m, 2) or "fixed", default=(1e-5, 1e5)
        Bounds of the weights, for all or for each.
    means_bounds : pair of floats, array of shape (m, 2) or "fixed", default=(0.0, 1e5)
        Bounds of the frequencies. The upper one should be the Nyquist frequency. A component that ends at
        0 draws scikit-learn's warning about bounds; the kernel is even in its means, so that a negative
        lower bound is harmless.
    scales_bounds : pair of floats, array of shape (m, 2) or "fixed", default=(1e-5, 1e5)
        Bounds of the scales.

    See Also
    --------
    spectral_mixture : The formulas, and derivatives in the inputs.

    Notes
    -----
    Frequencies may be 0, so ``theta`` holds them as they are, and the logarithms of scales and weights,
    in the order means, scales, weights; ``bounds`` likewise. Sums, products and powers of kernels work
    as with any other. Restarts of an optimiser draw frequencies uniformly from their bounds. A line
    that does not fade has no width: its scale ends at the lower bound, which scikit-learn warns about.

    References
    ----------
    .. [1] A. G. Wilson and R. P. Adams, "Gaussian Process Kernels for Pattern Discovery and
       Extrapolation", ICML 2013, arXiv:1302.4245.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process import GaussianProcessRegressor
    >>> from spectralkit.gaussian_process import SpectralMixtureKernel
    >>> X = np.linspace(0.0, 10.0, 80)[:, None]
    >>> y = np.sin(7.0 * X[:, 0]) + np.cos(3.0 * X[:, 0])
    >>> kernel = SpectralMixtureKernel.from_data(X, y, 2)
    >>> (2.0 * np.pi * np.sort(kernel.means)).round(1)
    array([3., 7.])
    >>> model = GaussianProcessRegressor(kernel, alpha=1e-6, optimizer=None).fit(X, y)
    >>> model.predict([[12.0]]).round(1), round(np.sin(84.0) + np.cos(36.0), 1)
    (array([0.6]), np.float64(0.6))
    """

    def __init__(
        self,
        weights,
        means,
        scales,
        spectrum="gaussian",
        nu=2.5,
        weights_bounds=(1e-5, 1e5),
        means_bounds=(0.0, 1e5),
        scales_bounds=(1e-5, 1e5),
    ):
        self.weights = weights
        self.means = means
        self.scales = scales
        self.spectrum = spectrum
        self.nu = nu
        self.weights_bounds = weights_bounds
        self.means_bounds = means_bounds
        self.scales_bounds = scales_bounds

    @classmethod
    def from_data(cls, X, y, n_components, *, spectrum="gaussian", nu=2.5):
        """
        Return a kernel that begins at the strongest lines of the data.

        Samples need not be equispaced. Costs `O(n^2 Q D)`: seconds for 3000 samples.

        Parameters
        ----------
        X : array of shape (n, D)
            Inputs.
        y : array of shape (n,)
            Targets. Their mean is left out: let the model normalise them.
        n_components : int
            Number Q of components.
        spectrum : {"gaussian", "student_t"}, default="gaussian"
            Shape of the lines.
        nu : float, default=2.5
            Smoothness of "student_t".

        Returns
        -------
        SpectralMixtureKernel
            Of shapes (Q,) for one column, of shapes (Q, D) for several.

        Raises
        ------
        ValueError
            If values are not finite, targets or a column do not vary, or no float can hold weights,
            frequencies or scales in their units.

        Notes
        -----
        The largest peak of the Lomb-Scargle periodogram [1]_ up to the Nyquist frequency of the median
        spacing is refined between the points of its grid; all lines so far are fitted by least squares
        and subtracted; and so on, n_components times. A weight is half a squared amplitude, but at
        least a share of what remains. All scales are such that the kernel decays over the length of the
        record.

        Of several columns each has its own lines: of the series along it where the other coordinates
        repeat, as on a grid, and else of all points. The weights are shared among columns such that their
        product is the variance of the targets. Bounds follow from the data.

        References
        ----------
        .. [1] J. D. Scargle, "Studies in astronomical time series analysis. II", Astrophysical Journal
           263 (1982), 835-853.

        Examples
        --------
        >>> import numpy as np
        >>> from spectralkit.gaussian_process import SpectralMixtureKernel
        >>> X = np.random.default_rng(0).uniform(0.0, 5.0, (200, 1))
        >>> kernel = SpectralMixtureKernel.from_data(X, 2.0 * np.cos(9.0 * X[:, 0]), 1)
        >>> (2.0 * np.pi * kernel.means).round(1), kernel.weights.round(1)
        (array([9.]), array([2.]))
        """
        X, y = check_X_y(X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=4)
        y = y.astype(np.float64)
        n_components = check_integer("n_components", n_components, 1)
        nu = check_spectrum(spectrum, nu)
        D = X.shape[1]
        # In units in which squares neither overflow nor vanish.
        y_unit = exponent(float(np.abs(y).max()))
        x_units = np.array([exponent(largest) for largest in np.abs(X).max(axis=0)])
        X, y = np.ldexp(X, -x_units), np.ldexp(y, -y_unit)
        if y.min() == y.max():
            raise ValueError(invalid("y", "a variable that varies", "a constant"))
        y = y - y.mean()
        # The weights of a dimension have the D-th root of the unit of the variance.
        weight_unit, remainder = divmod(2 * y_unit, D)
        size = float(np.mean(y * y)) ** (1.0 / D) * 2.0 ** (remainder / D)
        weights, means, scales = (np.empty((n_components, D)) for _ in range(3))
        top = np.empty(D)
        for j in range(D):
            signals = _signals_along(X, y, j)
            places = np.unique(X[:, j])
            if len(places) < 2:
                raise ValueError(invalid("X", "of columns that vary", f"a constant column {j}"))
            span = places[-1] - places[0]
            top[j] = 0.5 / np.median(np.diff(places))
            means[:, j], powers = _strongest_lines(signals, n_components, span, top[j])
            weights[:, j] = powers if D == 1 else powers / powers.sum() * size
            scales[:, j] = 0.5 / span**2 if spectrum == "gaussian" else 1.0 / span
        # From lines that hardly fade to those that fade within a sample.
        widest = top**2 if spectrum == "gaussian" else top
        low, high = np.minimum(1e-4 * scales, widest), np.maximum(1e4 * scales, widest)
        scale_units = -2 * x_units if spectrum == "gaussian" else -x_units
        weights = _in_units("y", "weights", weights, weight_unit)
        means = _in_units("X", "means", means, -x_units)
        scales = _in_units("X", "scales", scales, scale_units)
        top = _bound(top, -x_units)
        bounds = {
            "weights_bounds": tuple(_bound(np.array([1e-8, 1e4]) * size, weight_unit).tolist()),
            "means_bounds": np.tile(np.stack([np.zeros(D), top], axis=1), (n_components, 1)),
            "scales_bounds": np.stack([_bound(v, scale_units).ravel() for v in (low, high)], axis=1),
        }
        if D == 1:
            weights, means, scales = weights[:, 0], means[:, 0], scales[:, 0]
        return cls(weights, means, scales, spectrum, nu, **bounds)

    def _hyperparameter(self, name):
        size = int(np.size(getattr(self, name)))
        bounds = _check_bounds(f"{name}_bounds", getattr(self, f"{name}_bounds"), size, name == "means")
        return Hyperparameter(name, "numeric", bounds, size)

    @property
    def hyperparameter_weights(self):
        """Specification of the weights."""
        return self._hyperparameter("weights")

    @property
    def hyperparameter_means(self):
        """Specification of the frequencies."""
        return self._hyperparameter("means")

    @property
    def hyperparameter_scales(self):
        """Specification of the scales."""
        return self._hyperparameter("scales")

    def _free(self):
        return [hyperparameter for hyperparameter in self.hyperparameters if not hyperparameter.fixed]

    @property
    def theta(self):
        """Free hyperparameters: frequencies, logarithms of scales and of weights."""
        checked = dict(
            zip(
                ("weights", "means", "scales"),
                check_components(self.weights, self.means, self.scales),
                strict=True,
            )
        )
        parts = [np.zeros(0)]
        for hyperparameter in self._free():
            name = hyperparameter.name
            value = checked[name].ravel()
            if name != "means":
                if (value == 0.0).any():
                    remedy = f'Its logarithm is optimised: pass {name}_bounds="fixed", or leave it out.'
                    raise ValueError(invalid(name, "positive", 0.0, remedy))
                value = np.log(value)
            parts.append(value)
        return np.concatenate(parts)

    @theta.setter
    def theta(self, theta):
        theta, free = np.asarray(theta, dtype=np.float64), self._free()
        n = sum(hyperparameter.n_elements for hyperparameter in free)
        if theta.shape != (n,):
            got = f"{len(theta)} of them" if theta.ndim == 1 else f"shape {theta.shape}"
            raise ValueError(invalid("theta", f"of {n} hyperparameters", got))
        start, values = 0, {}
        for hyperparameter in free:
            name, stop = hyperparameter.name, start + hyperparameter.n_elements
            value = theta[start:stop].reshape(np.shape(getattr(self, name)))
            with np.errstate(over="ignore"):
                values[name] = value.copy() if name == "means" else np.exp(value)
            if not np.isfinite(values[name]).all():
                raise ValueError(invalid("theta", f"of finite {name}", "NaN, or values that overflow"))
            start = stop
        for name, value in values.items():  # once all are right
            setattr(self, name, value)

    @property
    def bounds(self):
        """Bounds of ``theta``, of shape (n_dims, 2)."""
        parts = [np.zeros((0, 2))]
        for hyperparameter in self._free():
            value = np.asarray(hyperparameter.bounds, dtype=np.float64)
            with np.errstate(divide="ignore"):  # a bound of 0 is none of the logarithm
                parts.append(value if hyperparameter.name == "means" else np.log(value))
        return np.concatenate(parts)

    def __call__(self, X, Y=None, eval_gradient=False):
        """
        Return the covariances of the rows of X and Y, and their gradient in ``theta``.

        Parameters
        ----------
        X : array of shape (n, D)
            Inputs.
        Y : array of shape (m, D), optional
            Other inputs; those of X if not given.
        eval_gradient : bool, default=False
            Whether to return the gradient, too. Only without Y.

        Returns
        -------
        K : array of shape (n, m)
            Covariances.
        K_gradient : array of shape (n, n, n_dims)
            Gradient, if asked for.
        """
        components, nu = self._checked()
        X = self._as_inputs("X", X)
        if Y is not None and eval_gradient:
            remedy = "The gradient is that of a covariance matrix of one set of inputs."
            raise ValueError(invalid("Y", "None with eval_gradient", "an array", remedy))
        other = X if Y is None else self._as_inputs("Y", Y)
        with np.errstate(over="ignore", invalid="ignore"):
            if eval_gradient:
                return self._with_gradient(X, *components, nu)
            differences = [X[:, None, j] - other[None, :, j] for j in range(X.shape[1])]
            K = mixture(differences, *components, self.spectrum, nu, (0,) * X.shape[1])
        return as_result(K, np, K.dtype, _PARAMETERS, "every covariance")

    def _with_gradient(self, X, weights, means, scales, nu):
        (n, D), Q = X.shape, len(means)
        free, start, parts = self._free(), 0, {}
        gradient = np.empty((sum(hyperparameter.n_elements for hyperparameter in free), n, n))
        for hyperparameter in free:
            size = hyperparameter.n_elements
            parts[hyperparameter.name] = gradient[start : start + size].reshape(Q, size // Q, n, n)
            start += size
        K = np.empty((n, n))
        # Rows at a time: what is needed beside the gradient then stays in the cache.
        for begin, end in block_ranges(n, max(1, _GRADIENT_ELEMENTS // (n * Q * D or 1))):
            rows = {name: part[:, :, begin:end] for name, part in parts.items()}
            differences = [X[begin:end, None, j] - X[None, :, j] for j in range(D)]
            K[begin:end] = self._rows_with_gradient(differences, weights, means, scales, nu, rows)
            for part in (K[begin:end], *rows.values()):
                as_result(part, np, part.dtype, _PARAMETERS, "every covariance and its gradient")
        return K, np.moveaxis(gradient, 0, -1)

    def _rows_with_gradient(self, differences, weights, means, scales, nu, parts):
        """Return rows of the matrix; write those of the gradient into ``parts`` of shape (Q, D, ...)."""
        D, Q, shape = len(differences), len(means), differences[0].shape
        means, scales = means.reshape(Q, D), scales.reshape(Q, D)
        value = np.empty((D, Q, *shape))
        for j, d in enumerate(differences):
            for q in range(Q):
                slopes = [parts[name][q, j] if name in parts else None for name in ("means", "scales")]
                mean, scale = float(means[q, j]), float(scales[q, j])
                value[j, q] = _with_slopes(d, mean, scale, self.spectrum, nu, *slopes)
        # What multiplies each factor in K.
        if weights.ndim == 1:
            others = _products_of_others(value)
            others *= weights[:, None, None]
            by_log_weight = others[0] * value[0]
            K = np.sum(by_log_weight, axis=0)
            by_log_weight = by_log_weight[:, None]
        else:
            amplitudes = weights.T[:, :, None, None]
            mixtures = np.sum(amplitudes * value, axis=1)
            others = _products_of_others(mixtures)[:, None] * amplitudes
            by_log_weight = np.moveaxis(others * value, 0, 1)
            K = np.prod(mixtures, axis=0)
        for name, part in parts.items():
            if name == "weights":
                part[...] = by_log_weight
            else:
                part *= np.moveaxis(others, 0, 1)
        return K

    def diag(self, X):
        """
        Return the variances of the rows of X.

        Parameters
        ----------
        X : array of shape (n, D)
            Inputs.

        Returns
        -------
        array of shape (n,)
            The diagonal of the covariance matrix: all the same.
        """
        (weights, _, _), _ = self._checked()
        variance = weights.sum() if weights.ndim == 1 else weights.sum(axis=0).prod()
        return np.full(len(self._as_inputs("X", X)), variance)

    def _checked(self):
        nu = check_spectrum(self.spectrum, self.nu)
        return check_components(self.weights, self.means, self.scales), nu

    def _as_inputs(self, name, X):
        X = np.atleast_2d(as_parameter(name, X))
        D = np.shape(self.means)[1] if np.ndim(self.means) == 2 else 1
        if X.ndim != 2 or X.shape[1] != D:
            remedy = "Means and scales have one column for each dimension."
            raise ValueError(invalid(name, f"of shape (n, {D})", f"shape {X.shape}", remedy))
        return X

    def __repr__(self):
        shown = {name: getattr(self, name) for name in ("weights", "means", "scales")}
        text = ", ".join(
            f"{name}={np.array2string(np.asarray(value), precision=3, separator=', ', threshold=20)}"
            for name, value in shown.items()
        )
        text = " ".join(text.split())
        smoothness = f", nu={self.nu}" if self.spectrum == "student_t" else ""
        return f"{type(self).__name__}({text}, spectrum={self.spectrum!r}{smoothness})"


def _check_bounds(name, bounds, size, signed):
    """Return "fixed", or the bounds as an array of shape (1, 2) or (size, 2)."""
    if isinstance(bounds, str) and bounds == "fixed":
        return bounds
    try:
        value = np.asarray(bounds, dtype=np.float64)
    except (TypeError, ValueError):
        value = np.zeros(0)
    if value.shape not in ((2,), (1, 2), (size, 2)):
        described = f"a pair of numbers, an array of shape ({size}, 2) or 'fixed'"
        raise ValueError(invalid(name, described, bounds))
    if not (value[..., 0] <= value[..., 1]).all() or not (signed or (value >= 0.0).all()):
        raise ValueError(invalid(name, "ascending" if signed else "ascending and not negative", bounds))
    return np.atleast_2d(value)


def _in_units(name, of, values, unit):
    """Return ``values 2^unit``, or raise ValueError where they are no normal numbers."""
    with np.errstate(over="ignore"):
        result = np.ldexp(values, unit)
    if not ((result >= _LEAST) & (result <= _GREATEST)).all():
        remedy = "Pass it in other units."
        fault = "that vanish" if (result < _LEAST).any() else "that overflow"
        raise ValueError(
            invalid(name, f"of a size for which a float can hold the {of}", f"{of} {fault}", remedy)
        )
    return result


def _bound(values, unit):
    """Return ``values 2^unit``, or the nearest normal numbers."""
    with np.errstate(over="ignore"):
        return np.clip(np.ldexp(values, unit), _LEAST, _GREATEST)


def _with_slopes(d, mean, scale, spectrum, nu, by_mean, by_log_scale):
    """Return a component of weight 1; write its derivatives where there is an array for them."""
    d = within_reach(d, scale, spectrum, nu)
    phase = 2.0 * math.pi * mean * d
    cos = np.cos(phase)
    if spectrum == "gaussian":
        squares = (math.sqrt(scale) * d) ** 2
        envelope = np.exp(-squares)
    else:
        envelope = matern(d, scale, nu, 0)
    if by_mean is not None:
        np.sin(phase, out=by_mean)
        by_mean *= envelope
        by_mean *= -2.0 * math.pi * d
    if by_log_scale is not None:
        stretched = -squares * envelope if spectrum == "gaussian" else matern_by_log_scale(d, scale, nu)
        np.multiply(stretched, cos, out=by_log_scale)
    return np.multiply(envelope, cos, out=cos)


def _products_of_others(factors):
    """Return for each entry along the first axis the product of all others."""
    result = np.ones_like(factors)
    for j in range(len(factors)):
        for i in range(len(factors)):
            if i != j:
                result[j] *= factors[i]
    return result


def _signals_along(X, y, j):
    """Return ``(x, y)`` of the series along a coordinate."""
    x, rest = X[:, j], np.delete(X, j, axis=1)
    _, labels = np.unique(rest, axis=0, return_inverse=True)
    labels = labels.ravel()
    n_series = labels.max(initial=0) + 1
    if len(y) < _SHORTEST * n_series:
        return [(x, y)]
    series = [(x[labels == g], y[labels == g]) for g in range(n_series)]
    return [(x, y) for x, y in series if len(y) >= _SHORTEST // 2]


def _strongest_lines(signals, n_lines, span, top):
    """Return the frequencies in cycles and the variances of the lines that the signals have in common."""
    step = 1.0 / (_OVERSAMPLING * span)
    grid = np.arange(0.5 / span, max(top, 1.0 / span) + 0.5 * step, step)
    residuals = [(x, y - y.mean()) for x, y in signals]
    n_points = sum(len(y) for _, y in signals)
    total = sum(float(y @ y) for _, y in residuals) / n_points
    found = []
    for _ in range(n_lines):

        def power(frequencies, residuals=residuals):
            return sum(_periodogram(x, y, frequencies) for x, y in residuals)

        peak = grid[np.argmax(power(grid))]
        ends = (max(peak - step, 0.5 * grid[0]), peak + step)
        refined = scipy.optimize.minimize_scalar(
            lambda f, power=power: -float(power(np.array([f]))[0]),
            bounds=ends,
            method="bounded",
            options={"xatol": 1e-4 * step},
        )
        found.append(refined.x)
        frequencies = np.array(found)
        fits = [_fit_lines(x, y, frequencies) for x, y in signals]
        residuals = [(x, rest) for (x, _), (_, rest) in zip(signals, fits, strict=True)]
    shares = [len(y) / n_points for _, y in signals]
    variances = sum(share * variance for share, (variance, _) in zip(shares, fits, strict=True))
    left = sum(float(rest @ rest) for _, rest in residuals) / n_points
    floor = max(_RESIDUAL_SHARE * left / n_lines, _WEIGHT_FLOOR * total, np.finfo(float).tiny)
    return np.minimum(found, top), np.clip(variances, floor, max(_LARGEST * total, floor))


def _periodogram(x, y, frequencies):
    """Return the Lomb-Scargle periodogram, some frequencies at a time."""
    size = max(1, _BLOCK_ELEMENTS // len(x))
    angular = 2.0 * math.pi * frequencies
    blocks = (scipy.signal.lombscargle(x, y, angular[i:j]) for i, j in block_ranges(len(angular), size))
    # A single frequency comes back as a number.
    return np.concatenate([np.atleast_1d(block) for block in blocks])


def _fit_lines(x, y, frequencies):
    """Return half the squared amplitudes of lines fitted with a constant, and the residual."""
    phase = 2.0 * math.pi * np.outer(x - x.mean(), frequencies)
    A = np.hstack([np.cos(phase), np.sin(phase), np.ones((len(x), 1))])
    coef = np.linalg.lstsq(A, y, rcond=1e-6)[0]
    n = len(frequencies)
    return 0.5 * (coef[:n] ** 2 + coef[n : 2 * n] ** 2), y - A @ coef
