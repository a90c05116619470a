"""Ridge regression and classification on the states of linear systems."""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from spectralkit._core.checks import check_flag, check_number, invalid
from spectralkit._core.dtypes import working_dtype_name
from spectralkit._core.namespaces import array_namespace
from spectralkit._core.parallel import block_ranges
from spectralkit.base import is_host_table, unchanged_on_error
from spectralkit.statespace._features import MultiscaleSystem, check_sequences
from spectralkit.statespace._scan import diagonal_scan

# Bytes of states that are held at once.
_BLOCK_BYTES = 2**25
_UNIT = float(np.finfo(np.float64).eps)
# Sums of squares below this have lost digits to underflow.
_SMALLEST = float(np.finfo(np.float64).tiny) / _UNIT
# Parameters that the moments depend on.
_FIXED = ("n_states", "init", "dt_min", "dt_max", "n_scales", "per_step")


class _StateSpaceRidge(BaseEstimator):
    """What regression and classification share: moments of states and targets, and ridge from them."""

    def recurrence(self):
        """
        Return the fitted model as a diagonal recurrence, to run over streams.

        ``diagonal_scan(A_bar, B_bar, C, u).y`` plus ``intercept_`` is what the model says after each step
        of u, from rest or from where the last piece ended; channels, the last axis but one, are to be
        summed.

        Returns
        -------
        A_bar : ndarray of shape (q,)
            The recurrence, all scales one after the other.
        B_bar : ndarray of shape (q,)
            How the input enters.
        C : ndarray of shape (q,), (k, q), (C, q) or (k, C, q)
            Coefficients of the diagonal states: an axis for the outputs where ``coef_`` has one, and for
            channels where sequences have them.
        """
        check_is_fitted(self)
        system = self._system
        channels = () if self.n_channels_ is None else (self.n_channels_,)
        shape = (*self.coef_.shape[:-1], *channels)
        C = self.coef_.reshape(*shape, *self._system.A_bar.shape[:1], -1) @ system.readout
        return system.A_bar.flatten(), system.B_bar.flatten(), C.reshape(*shape, -1)

    def _accumulate(self, X, Y, weights, *, reset, per_step=False):
        """Add checked sequences and targets, (N, k) or (N, L, k), to the moments."""
        given = {name: getattr(self, name) for name in _FIXED if hasattr(self, name)}
        if reset:
            self._fixed = given
            self._system = MultiscaleSystem.of(
                self.init, self.n_states, self.dt_min, self.dt_max, self.n_scales
            )
            self._moments = None
        for name, value in self._fixed.items():
            if given[name] != value:
                remedy = "Call fit to start anew."
                raise ValueError(invalid(name, f"{value!r}, as in the first call", given[name], remedy))
        moments = self._moments
        if moments is None:
            width = (self.n_channels_ or 1) * len(self._system.dt) * len(self._system.readout)
            moments = _Moments.zeros(width, Y.shape[-1])
        elif moments.y_mean.size != Y.shape[-1]:
            raise ValueError(
                invalid("y", f"targets of {moments.y_mean.size} outputs, as before", Y.shape[-1])
            )
        n_rows = max(1, _BLOCK_BYTES // (8 * moments.x_mean.size))
        for start, stop in block_ranges(len(X), n_rows):
            rows = slice(start, stop)
            with np.errstate(over="ignore", invalid="ignore"):
                for states, targets, w in self._blocks(X[rows], Y[rows], weights[rows], n_rows, per_step):
                    moments = moments.update(states, targets, w)
        if not moments.weight > 0.0:
            raise ValueError(invalid("sample_weight", "positive for some sequence", "zeros"))
        if not (np.isfinite(moments.gram).all() and np.isfinite(moments.cross).all()):
            constraint = "of squares that do not overflow, times sample_weight"
            raise ValueError(invalid("X and y", constraint, "values that are too large", "Scale them."))
        squares = np.diag(moments.gram) + moments.weight * moments.x_mean**2
        if (moments.gram.any() or moments.x_mean.any()) and squares.max() < _SMALLEST:
            constraint = "of squares that do not underflow, times sample_weight"
            raise ValueError(invalid("X", constraint, "values that are too small", "Scale them."))
        self._moments = moments

    def _blocks(self, X, Y, weights, n_rows, per_step):
        """Yield states, targets and weights, a row for each sequence or step."""
        if not per_step:
            yield self._system.final_states(X, array_namespace(X=X)), Y, weights
            return
        for start, stop, states in self._system.all_states(_with_channels(X), n_rows):
            targets = Y[:, start:stop].reshape(-1, Y.shape[-1])
            yield states.reshape(len(targets), -1), targets, np.repeat(weights, stop - start)

    def _linear(self, X):
        """Return the fitted function of the final states, (N, k), in double precision."""
        coef = np.atleast_2d(self.coef_).T
        n_rows = max(1, _BLOCK_BYTES // (8 * len(coef)))
        parts = [
            self._system.final_states(X[start:stop], array_namespace(X=X)) @ coef
            for start, stop in block_ranges(len(X), n_rows)
        ]
        return np.concatenate(parts) + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class StateSpaceRegressor(RegressorMixin, _StateSpaceRidge):
    """
    Ridge regression on the states that a sequence leaves in linear systems.

    For a number about each sequence, or with ``per_step`` one after each step, as in forecasting. The
    coefficients are solved for in closed form from moments, so that data can come in pieces. Cost
    `O(N F^2 + F^3)` for N sequences, or steps, and F states over all scales and channels, besides that of
    `StateSpaceFeatures`; memory `O(F^2)`.

    Parameters
    ----------
    n_states : int, default=64
        Real states of the system at each scale; even except for "ptd".
    init : str, default="ptd"
        The system, as in `diagonal_init`: "ptd", "legs", "inv" or "lin".
    dt_min : float, default=1e-3
        Length of a step at the finest scale.
    dt_max : float, default=0.1
        Length of a step at the coarsest scale.
    alpha : float, default=1.0
        Penalty, at least 0, on the squared coefficients of states of variance 1.
    n_scales : int, default=4
        Number of scales, equally spaced in the logarithm.
    per_step : bool, default=False
        Predict after each step, and not only after the last.

    Attributes
    ----------
    coef_ : ndarray of shape (F,) or (k, F)
        Coefficients of the states, in float64, ordered as the features of `StateSpaceFeatures`; one row
        for each of several outputs.
    intercept_ : float or ndarray of shape (k,)
        The constant.
    n_features_in_ : int
        Length of the sequences, L.
    n_channels_ : int or None
        Channels; None for tables of two axes.
    feature_names_in_ : ndarray of shape (L,)
        Names of the columns, if the data of ``fit`` had them.

    See Also
    --------
    StateSpaceFeatures : The states as features; says how to choose scales, and takes any array library.
    StateSpaceClassifier : The same for classes.

    Notes
    -----
    Minimised is ``Σ_i w_i |y_i - c·z_i - b|² + alpha |c|²``, where z are the states divided by their
    standard deviations, like ``Ridge`` behind ``StandardScaler``; ``coef_`` refers to the states
    themselves. With an alpha below rounding, states that are linearly dependent get the coefficients of
    least norm.

    Each row is a sequence of its own, which starts at rest, in ``partial_fit`` too: a series that is too
    long to pass at once is cut into rows that overlap by what the system remembers. `recurrence` runs the
    fitted model over a stream of any length.

    Data are taken from the host, and computed with in float64; predictions have the dtype of X, or
    float32 for halves. Only ``alpha`` may change between calls of ``partial_fit``.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the parameterization and initialization of diagonal
       state space models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import StateSpaceRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 50)).cumsum(axis=1)
    >>> y = X[:, -10:].mean(axis=1)
    >>> model = StateSpaceRegressor(n_states=16, dt_max=1.0).fit(X[:200], y[:200])
    >>> bool(model.score(X[200:], y[200:]) > 0.99)
    True
    """

    def __init__(
        self,
        n_states=64,
        init="ptd",
        dt_min=1e-3,
        dt_max=0.1,
        alpha=1.0,
        n_scales=4,
        per_step=False,
    ):
        self.n_states = n_states
        self.init = init
        self.dt_min = dt_min
        self.dt_max = dt_max
        self.alpha = alpha
        self.n_scales = n_scales
        self.per_step = per_step

    def fit(self, X, y, sample_weight=None):
        """
        Fit targets of sequences.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences, oldest value first.
        y : array of shape (N,) or (N, k); with ``per_step`` (N, L) or (N, L, k)
            Targets.
        sample_weight : array of shape (N,) or None, default=None
            Weights of the sequences.

        Returns
        -------
        self : StateSpaceRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If shapes do not match, something is not finite, or a parameter is out of range. The estimator
            is then what it was before.
        TypeError
            If the arrays are not on the host, or of a dtype that is not supported.

        Warns
        -----
        UserWarning
            If states are linearly dependent and ``alpha`` is below rounding.
        """
        return self._fit(X, y, sample_weight, reset=True)

    def partial_fit(self, X, y, sample_weight=None):
        """
        Fit some more sequences.

        The result is that of one ``fit`` to all of them, up to rounding.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences, oldest value first.
        y : array of shape (N,) or (N, k); with ``per_step`` (N, L) or (N, L, k)
            Targets.
        sample_weight : array of shape (N,) or None, default=None
            Weights of the sequences.

        Returns
        -------
        self : StateSpaceRegressor
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, reset=not hasattr(self, "_moments"))

    def predict(self, X):
        """
        Predict targets.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences.

        Returns
        -------
        ndarray of shape (N,) or (N, k); with ``per_step`` (N, L) or (N, L, k)
            Predictions.
        """
        check_is_fitted(self)
        _check_host(X=X)
        X = check_sequences(self, X, reset=False)
        dtype = working_dtype_name("X", X.dtype)
        if not self._fixed["per_step"]:
            y = self._linear(X)
            return (y[:, 0] if self.coef_.ndim == 1 else y).astype(dtype)
        A_bar, B_bar, C = self.recurrence()
        u = np.moveaxis(X, 1, -1).astype(np.float64)
        u = u[:, None] if self.coef_.ndim == 2 else u
        y = diagonal_scan(A_bar, B_bar, C, u).y
        y = y if self.n_channels_ is None else y.sum(axis=-2)
        return (np.moveaxis(y, -1, 1) + self.intercept_).astype(dtype)

    def score(self, X, y, sample_weight=None):
        """
        Return the coefficient of determination of the predictions.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences.
        y : array of shape (N,) or (N, k); with ``per_step`` (N, L) or (N, L, k)
            True targets.
        sample_weight : array of shape (N,) or None, default=None
            Weights of the sequences.

        Returns
        -------
        float
            As in scikit-learn, the mean over outputs; with ``per_step`` every step is a sample.
        """
        check_is_fitted(self)
        if not self._fixed["per_step"]:
            return super().score(X, y, sample_weight)
        from sklearn.metrics import r2_score

        predicted, y = self.predict(X), np.asarray(y)
        if y.shape != predicted.shape:
            raise ValueError(invalid("y", f"of shape {predicted.shape}", f"shape {y.shape}"))
        if sample_weight is not None:
            sample_weight = np.repeat(sample_weight, y.shape[1])
        rows = (-1, *y.shape[2:])
        return r2_score(y.reshape(rows), predicted.reshape(rows), sample_weight=sample_weight)

    def _fit(self, X, y, sample_weight, *, reset):
        alpha = check_number("alpha", self.alpha, 0.0)
        per_step = check_flag("per_step", self.per_step)
        with unchanged_on_error(self):
            _check_host(X=X, y=y)
            if per_step:
                X = check_sequences(self, X, reset=reset)
                y = check_array(y, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y")
                check_consistent_length(X, y)
                if y.ndim not in (2, 3) or y.shape[:2] != X.shape[:2]:
                    N, L = X.shape[:2]
                    constraint = f"of shape {(N, L)} or ({N}, {L}, k), with a target for each step"
                    raise ValueError(invalid("y", constraint, f"shape {y.shape}"))
                single = y.ndim == 2
            else:
                X, y = check_sequences(self, X, reset=reset, y=y, multi_output=True, y_numeric=True)
                single = y.ndim == 1
            Y = (y[..., None] if single else y).astype(np.float64)
            weights = _as_weights(sample_weight, X)
            self._accumulate(X, Y, weights, reset=reset, per_step=per_step)
            if not reset and single != (self.coef_.ndim == 1):
                constraint = f"of {self.coef_.ndim + per_step} axes, as in the first call"
                raise ValueError(invalid("y", constraint, f"shape {y.shape}"))
            coef, intercept = self._moments.solve(alpha)
            self.coef_, self.intercept_ = (coef[0], float(intercept[0])) if single else (coef, intercept)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class StateSpaceClassifier(ClassifierMixin, _StateSpaceRidge):
    """
    Ridge classification on the states that a sequence leaves in linear systems.

    A fast and deterministic baseline for classes of sequences: ridge regression of ``±1`` for each class,
    in closed form, from moments, so that data can come in pieces. Cost `O(N F^2 + F^3)` for N sequences
    and F states over all scales and channels, besides that of `StateSpaceFeatures`; memory `O(F^2)`.

    Parameters
    ----------
    n_states : int, default=64
        Real states of the system at each scale; even except for "ptd".
    init : str, default="ptd"
        The system, as in `diagonal_init`: "ptd", "legs", "inv" or "lin".
    dt_min : float, default=1e-3
        Length of a step at the finest scale.
    dt_max : float, default=0.1
        Length of a step at the coarsest scale.
    alpha : float, default=1.0
        Penalty, at least 0, on the squared coefficients of states of variance 1.
    n_scales : int, default=4
        Number of scales, equally spaced in the logarithm.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
        The classes, sorted.
    coef_ : ndarray of shape (1, F) or (k, F)
        Coefficients of the states, in float64; one row for two classes.
    intercept_ : ndarray of shape (1,) or (k,)
        The constants.
    n_features_in_ : int
        Length of the sequences, L.
    n_channels_ : int or None
        Channels; None for tables of two axes.
    feature_names_in_ : ndarray of shape (L,)
        Names of the columns, if the data of ``fit`` had them.

    See Also
    --------
    StateSpaceFeatures : The states as features; says how to choose scales, and takes any array library.
    StateSpaceRegressor : The same for numbers.
    sklearn.linear_model.RidgeClassifier : The same on a table.

    Notes
    -----
    The decision is linear in the sequence, as the states are: classes that differ in a phase, or in the
    power of some frequency, need products of states. Put `StateSpaceFeatures` before a kernel machine
    then.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the parameterization and initialization of diagonal
       state space models", NeurIPS 2022, arXiv:2206.11893.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import StateSpaceClassifier
    >>> t, rng = np.linspace(0.0, 1.0, 100), np.random.default_rng(0)
    >>> y = np.repeat(["fast", "slow"], 100)
    >>> X = np.sin(np.where(y == "fast", 9.0, 6.0)[:, None] * t) + rng.standard_normal((200, 100))
    >>> model = StateSpaceClassifier(n_states=16).fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.95)
    True
    """

    def __init__(self, n_states=64, init="ptd", dt_min=1e-3, dt_max=0.1, alpha=1.0, n_scales=4):
        self.n_states = n_states
        self.init = init
        self.dt_min = dt_min
        self.dt_max = dt_max
        self.alpha = alpha
        self.n_scales = n_scales

    def fit(self, X, y, sample_weight=None):
        """
        Fit classes of sequences.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences, oldest value first.
        y : array of shape (N,)
            Classes, two at least.
        sample_weight : array of shape (N,) or None, default=None
            Weights of the sequences.

        Returns
        -------
        self : StateSpaceClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If shapes do not match, something is not finite, there is one class, or a parameter is out of
            range. The estimator is then what it was before.
        TypeError
            If the arrays are not on the host, or of a dtype that is not supported.

        Warns
        -----
        UserWarning
            If states are linearly dependent and ``alpha`` is below rounding.
        """
        return self._fit(X, y, sample_weight, None, reset=True)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """
        Fit some more sequences.

        The result is that of one ``fit`` to all of them, up to rounding.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences, oldest value first.
        y : array of shape (N,)
            Classes, any number of them.
        classes : array of shape (k,) or None, default=None
            All classes there will be; needed in the first call.
        sample_weight : array of shape (N,) or None, default=None
            Weights of the sequences.

        Returns
        -------
        self : StateSpaceClassifier
            The fitted estimator.
        """
        first = not hasattr(self, "_moments")
        if classes is not None:
            classes = unique_labels(classes)
            if not first and not np.array_equal(classes, self.classes_):
                constraint = f"{self.classes_.tolist()}, as before"
                raise ValueError(invalid("classes", constraint, classes.tolist()))
        elif first:
            raise ValueError(invalid("classes", "given in the first call of partial_fit", None))
        return self._fit(X, y, sample_weight, classes if first else self.classes_, reset=first)

    def decision_function(self, X):
        """
        Return the scores of the classes.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences.

        Returns
        -------
        ndarray of shape (N,) or (N, k)
            Scores: for two classes positive for the second.
        """
        check_is_fitted(self)
        _check_host(X=X)
        X = check_sequences(self, X, reset=False)
        scores = self._linear(X).astype(working_dtype_name("X", X.dtype))
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """
        Predict classes.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences.

        Returns
        -------
        ndarray of shape (N,)
            Classes.
        """
        scores = self.decision_function(X)
        best = (scores > 0.0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)
        return self.classes_[best]

    def _fit(self, X, y, sample_weight, classes, *, reset):
        alpha = check_number("alpha", self.alpha, 0.0)
        with unchanged_on_error(self):
            _check_host(X=X, y=y)
            X, y = check_sequences(self, X, reset=reset, y=y, multi_output=True)
            y = column_or_1d(y, warn=True)
            check_classification_targets(y)
            self.classes_ = np.unique(y) if classes is None else classes
            if len(self.classes_) < 2:
                given = f"one class, {self.classes_[0]}" if len(self.classes_) else "no class"
                raise ValueError(invalid("y", "of two classes at least", given))
            foreign = np.setdiff1d(y, self.classes_)
            if foreign.size:
                constraint = f"of the classes {self.classes_.tolist()}"
                raise ValueError(invalid("y", constraint, f"labels {foreign.tolist()}"))
            Y = np.where(y[:, None] == self.classes_, 1.0, -1.0)
            Y = Y[:, 1:] if len(self.classes_) == 2 else Y
            self._accumulate(X, Y, _as_weights(sample_weight, X), reset=reset)
            self.coef_, self.intercept_ = self._moments.solve(alpha)
        return self


@dataclass(frozen=True)
class _Moments:
    """Weighted means, and sums of products about them, of states and targets."""

    weight: float
    n_rows: int
    """Rows of positive weight."""
    x_mean: np.ndarray
    y_mean: np.ndarray
    gram: np.ndarray
    """Of the states, (F, F)."""
    cross: np.ndarray
    """Of states and targets, (F, k)."""

    @classmethod
    def zeros(cls, F, k):
        return cls(0.0, 0, np.zeros(F), np.zeros(k), np.zeros((F, F)), np.zeros((F, k)))

    def update(self, X, Y, weights):
        """Return the moments with some rows more, by the update of Chan, Golub and LeVeque."""
        added = float(np.sum(weights))
        if added == 0.0:
            return self
        x_mean, y_mean = weights @ X / added, weights @ Y / added
        roots = np.sqrt(weights)[:, None]
        X, Y = roots * (X - x_mean), roots * (Y - y_mean)
        total = self.weight + added
        dx, dy, share = x_mean - self.x_mean, y_mean - self.y_mean, added / total
        return _Moments(
            total,
            self.n_rows + np.count_nonzero(weights),
            self.x_mean + share * dx,
            self.y_mean + share * dy,
            self.gram + X.T @ X + (self.weight * share) * np.outer(dx, dx),
            self.cross + X.T @ Y + (self.weight * share) * np.outer(dx, dy),
        )

    def solve(self, alpha):
        """Return coefficients, (k, F), and intercepts of ridge regression on standardised states."""
        variance = np.diag(self.gram) / self.weight
        F = len(variance)
        # Constant up to rounding, as StandardScaler has it, or to underflow: not blown up to variance 1.
        noise = _UNIT * self.n_rows * variance + (_UNIT * self.n_rows * self.x_mean) ** 2
        noise = np.maximum(noise, _SMALLEST / self.weight)
        scale = np.where(variance > noise, np.sqrt(variance), 1.0)
        gram, cross = self.gram / np.outer(scale, scale), self.cross / scale[:, None]
        rounding = F * _UNIT * float(np.trace(gram))
        if alpha > rounding:
            factor = scipy.linalg.cho_factor(gram + alpha * np.eye(F), lower=True, overwrite_a=True)
            coef = scipy.linalg.cho_solve(factor, cross)
        else:
            values, vectors = scipy.linalg.eigh(gram)
            kept = values > rounding
            if not kept.all():
                warnings.warn(
                    f"{F - kept.sum()} of {F} combinations of states do not vary, up to rounding, and "
                    f"alpha={alpha:g} does not penalise them: the coefficients of least norm are taken. "
                    "Raise alpha, or lower n_states or n_scales.",
                    UserWarning,
                    stacklevel=4,
                )
            vectors = vectors[:, kept]
            coef = vectors @ ((vectors.T @ cross) / (values[kept] + alpha)[:, None])
        coef = coef.T / scale
        return coef, self.y_mean - coef @ self.x_mean


def _with_channels(X):
    """Return sequences with an axis of channels."""
    return X[..., None] if X.ndim == 2 else X


def _as_weights(sample_weight, X):
    """Return non-negative weights of the sequences, in double precision."""
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def _check_host(**arrays):
    """Raise TypeError for arrays that are not on the host."""
    for name, array in arrays.items():
        if array is not None and not is_host_table(array):
            remedy = "Copy it to the host, or put StateSpaceFeatures before a model that stays there."
            raise TypeError(invalid(name, "an array on the host", f"type {type(array).__name__}", remedy))
