"""Final states of linear systems that a sequence drives, as features."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from spectralkit._core.arrays import as_numbers
from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_of, output_dtype_name
from spectralkit._core.namespaces import array_namespace, from_host
from spectralkit._core.parallel import block_ranges
from spectralkit.base import check_same_library, is_host_table, unchanged_on_error, validate_table
from spectralkit.statespace._discretization import discretize
from spectralkit.statespace._hippo import check_even
from spectralkit.statespace._initialization import KINDS, diagonal_init

# Steps of time whose responses are held at once.
_BLOCK_STEPS = 1024


class StateSpaceFeatures(TransformerMixin, BaseEstimator):
    """
    Summaries of sequences: the states of linear systems after the last step.

    Each sequence drives one system at several time scales, from rest. The states are features that know
    the recent past in detail and the far past in outline, for any estimator of scikit-learn behind them.
    Nothing is learnt: ``fit`` discretizes the system. Cost `O(N L S n)` for N sequences of length L, S
    scales and n states, as matrix products; memory beyond the result is `O(S n)` and 1024 steps of it.

    Parameters
    ----------
    n_states : int, default=64
        Real states of the system, n; even except for "ptd".
    init : str, default="ptd"
        The system, as in `diagonal_init`: "ptd", LegS up to 1e-7; "legs", "inv" and "lin" loosely.
    dt_min : float, default=1e-3
        Length of a step at the finest scale, in units of the memory of the system.
    dt_max : float, default=0.1
        Length of a step at the coarsest scale.
    n_scales : int, default=4
        Number of scales S, equally spaced in the logarithm; one is the geometric mean of both ends.

    Attributes
    ----------
    dt_ : array of shape (S,)
        Length of a step at each scale.
    n_features_in_ : int
        Length of the sequences, L.
    n_channels_ : int or None
        Channels; None for tables of two axes.
    feature_names_in_ : array of shape (L,)
        Names of the columns, if the data of ``fit`` had them.

    See Also
    --------
    StateSpaceClassifier : Ridge classification on these features.
    StateSpaceRegressor : Ridge regression, of each step too.
    diagonal_scan : All states of a diagonal system, and of streams.

    Notes
    -----
    A system forgets like ``exp(-t)`` (LegS) or ``exp(-t/2)`` in its own time, of which a step is dt: a
    scale sees about 1/dt steps back. Of sequences shorter than that it sees all, and no scale needs to be
    much finer than the inverse of the length. States of LegS tell steps of age t apart where dt is at
    least ``(π/n) sqrt(exp(t) - 1)``: the recent ones are seen sharply, and the older ones ever less so. Raise
    ``n_states`` where detail of the far past matters.

    States depend linearly on the sequence: the feature of state k at one scale is
    ``Σ_t 2 Re Σ_j basis_kj weight_j B_bar_j A_bar_j^(L-1-t) u_t`` [1]_. The numbers before ``u_t`` are
    common to all sequences and are computed in blocks of time, in double precision.

    References
    ----------
    .. [1] A. Gu, A. Gupta, K. Goel and C. Ré, "On the parameterization and initialization of diagonal
       state space models", NeurIPS 2022, arXiv:2206.11893.
    .. [2] A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney and N. B. Erichson, "Robustifying state-space
       models for long sequences via approximate diagonalization", ICLR 2024, arXiv:2310.01698.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.statespace import StateSpaceFeatures
    >>> X = np.sin(np.linspace(0.0, 1.0, 100) * np.array([[10.0], [20.0]]))
    >>> features = StateSpaceFeatures(n_states=16, n_scales=2).fit(X)
    >>> features.transform(X).shape
    (2, 32)
    >>> features.get_feature_names_out()[-1]
    'scale1_state15'
    """

    def __init__(self, n_states=64, init="ptd", dt_min=1e-3, dt_max=0.1, n_scales=4):
        self.n_states = n_states
        self.init = init
        self.dt_min = dt_min
        self.dt_max = dt_max
        self.n_scales = n_scales

    def fit(self, X, y=None):
        """
        Discretize the system, and note the shape of the sequences.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences, oldest value first; with C channels, each of which drives its own copy.
        y : None
            Ignored.

        Returns
        -------
        self : StateSpaceFeatures
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not finite or has another number of axes, or a parameter is out of range.
        TypeError
            If X is sparse, or of a dtype that is not supported.
        """
        with unchanged_on_error(self):
            X = check_sequences(self, X, reset=True)
            xp = array_namespace(X=X)
            self._system = MultiscaleSystem.of(
                self.init, self.n_states, self.dt_min, self.dt_max, self.n_scales
            )
            self.dt_ = from_host(self._system.dt.copy(), xp, X)
        return self

    def transform(self, X):
        """
        Return the states after the last step.

        Parameters
        ----------
        X : array of shape (N, L) or (N, L, C)
            Sequences of the length, and with the channels, of those of ``fit``.

        Returns
        -------
        array of shape (N, C * S * n)
            States in the order of `get_feature_names_out`: by channel, then scale, then state.
        """
        check_is_fitted(self)
        X = check_sequences(self, X, reset=False)
        xp = check_same_library(self, X, array_namespace(X=self.dt_))
        dtype = dtype_of(xp, output_dtype_name("X", X.dtype))
        return xp.astype(self._system.final_states(X, xp), dtype, copy=False)

    def get_feature_names_out(self, input_features=None):
        """
        Return the names of the features.

        Parameters
        ----------
        input_features : sequence of str or None, default=None
            Checked against ``feature_names_in_``, and not used otherwise.

        Returns
        -------
        ndarray of shape (C * S * n,)
            Names such as "scale0_state12", or "channel1_scale0_state12" where there are channels.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        channels = [""] if self.n_channels_ is None else [f"channel{c}_" for c in range(self.n_channels_)]
        scales, states = range(len(self._system.dt)), range(len(self._system.readout))
        names = [f"{channel}scale{s}_state{k}" for channel in channels for s in scales for k in states]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if hasattr(tags, "array_api_support"):
            tags.array_api_support = True
        return tags


@dataclass(frozen=True)
class MultiscaleSystem:
    """One diagonal system at several time scales, and how its n real states are read."""

    dt: np.ndarray
    """Steps, (S,)."""
    A: np.ndarray
    """Eigenvalues of the continuous system, (r,)."""
    A_bar: np.ndarray
    """The recurrence, (S, r)."""
    B_bar: np.ndarray
    """How the input enters, (S, r)."""
    readout: np.ndarray
    """The real states are ``2 Re readout @ x``, (n, r)."""

    @classmethod
    def of(cls, init, n_states, dt_min, dt_max, n_scales):
        """Return the system of parameters that are checked here."""
        check_option("init", init, KINDS)
        n_states = check_integer("n_states", n_states, 1)
        if init != "ptd":
            check_even(n_states, 'States come in conjugate pairs; init="ptd" takes odd numbers.', "n_states")
        n_scales = check_integer("n_scales", n_scales, 1)
        dt_min = check_number("dt_min", dt_min, 0.0, open_low=True)
        dt_max = check_number("dt_max", dt_max, dt_min, remedy="It is the step of the coarsest scale.")
        dt = np.geomspace(dt_min, dt_max, n_scales) if n_scales > 1 else np.sqrt([dt_min * dt_max])
        system = diagonal_init(init, n_states)
        A_bar, B_bar = discretize(system.A, system.B, dt)
        return cls(dt, system.A, A_bar, B_bar, system.basis * system.weight)

    def final_states(self, X, xp):
        """Return the states after the last step, (N, C * S * n), in double precision."""
        N, length = X.shape[:2]
        channels = X.shape[2] if X.ndim == 3 else 1
        exponents = self.dt[:, None] * self.A
        powers = np.exp(np.arange(min(length, _BLOCK_STEPS))[::-1, None, None] * exponents)
        total = None
        for start, stop in block_ranges(length, _BLOCK_STEPS):
            block = X[:, start:stop, ...]
            if X.ndim == 3:
                block = xp.permute_dims(block, (0, 2, 1))
            block = xp.reshape(xp.astype(block, xp.float64), (N * channels, stop - start))
            # What an input of 1 at each step of the block leaves in the states at the end.
            since = self.B_bar * np.exp((length - stop) * exponents)
            responses = self.read(powers[start - stop :] * since).reshape(stop - start, -1)
            part = block @ from_host(responses, xp, X)
            total = part if total is None else total + part
        return xp.reshape(total, (N, -1))

    def all_states(self, X, n_rows):
        """Yield ``start, stop, states`` in blocks of time: after each step, (N, T, C * S * n)."""
        N, length, channels = X.shape
        x = np.zeros((N, channels, *self.A_bar.shape), dtype=complex)
        for start, stop in block_ranges(length, max(1, n_rows // N)):
            seen = np.empty((N, stop - start, *x.shape[1:]), dtype=complex)
            for t in range(start, stop):
                x = self.A_bar * x + self.B_bar * X[:, t, :, None, None]
                seen[:, t - start] = x
            yield start, stop, self.read(seen).reshape(N, stop - start, -1)

    def read(self, x):
        """Return the real states for diagonal ones, (..., r) to (..., n)."""
        readout = 2.0 * self.readout.T
        return np.concatenate([x.real, x.imag], axis=-1) @ np.concatenate([readout.real, -readout.imag])


def check_sequences(estimator, X, *, reset, y=None, **options):
    """
    Check sequences, (N, L) or (N, L, C), and set or compare their length, names and channels.

    Targets are checked along by scikit-learn's rules where ``options`` say which; then both are returned.
    """
    if isinstance(X, np.ma.MaskedArray):
        as_numbers("X", X)  # which raises
    if is_host_table(X):
        options = {"y": y, **options} if options else {}
        checked = validate_data(estimator, X, reset=reset, dtype="numeric", allow_nd=True, **options)
        X, answer = (checked[0], checked) if options else (checked, checked)
        output_dtype_name("X", X.dtype)
    else:
        xp = array_namespace(X=X)
        # Channels one below the other are a table.
        flat = xp.reshape(xp.permute_dims(X, (0, 2, 1)), (-1, X.shape[1])) if X.ndim == 3 else X
        validate_table(estimator, flat, reset=reset)
        answer = X
    if X.ndim > 3 or 0 in X.shape:
        constraint = "of shape (N, L) or (N, L, C), without empty axes"
        raise ValueError(invalid("X", constraint, f"shape {tuple(X.shape)}"))
    channels = X.shape[2] if X.ndim == 3 else None
    if reset:
        estimator.n_channels_ = channels
    elif channels != estimator.n_channels_:
        wanted = "two axes" if estimator.n_channels_ is None else f"{estimator.n_channels_} channels"
        given = "two axes" if channels is None else f"{channels} channels"
        raise ValueError(invalid("X", f"an array with {wanted}, as in fit", given))
    return answer
