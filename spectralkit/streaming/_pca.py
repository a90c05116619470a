"""The streaming estimators."""

import functools
import logging
from dataclasses import replace

import array_api_compat
import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from spectralkit._core.checks import check_integer, invalid
from spectralkit._core.dtypes import dtype_name, dtype_of, output_dtype_name, working_dtype_name
from spectralkit._core.namespaces import from_host, to_host
from spectralkit._core.random import as_entropy
from spectralkit.base import check_same_library, unchanged_on_error, validate_table
from spectralkit.streaming._config import make_config
from spectralkit.streaming._sources import is_block_iterable, is_dask, is_dataset, row_blocks
from spectralkit.streaming._stream import (
    StreamState,
    components,
    output,
    peek,
    run,
    start,
    summarise,
    times_power_of_two,
    warn_if_sorted,
)


class _Summary:
    """What a state says, computed when first asked: a query costs more than a block."""

    def __init__(self, state):
        self.state = state

    @functools.cached_property
    def _answer(self):
        return summarise(self.state)

    @property
    def finished(self):
        """The state with its pending rows absorbed: what the figures are in the units of."""
        return self._answer[0]

    @property
    def spectrum(self):
        return self._answer[1]

    @property
    def method(self):
        return self._answer[2]

    @property
    def values(self):
        return np.maximum(self.spectrum.values[: self.state.config.n_components], 0.0)

    @functools.cached_property
    def components(self):
        return components(self.finished, self.spectrum)


class _StreamingEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The estimator over a stream's state; its subclasses differ in their parameters alone."""

    def fit(self, X, y=None):
        """
        Fit in one pass over ``X``, forgetting anything seen before.

        Parameters
        ----------
        X : array of shape (n, d), or stream
            An array, a data frame, a memmap, a CSR matrix, an h5py or zarr dataset, a Dask array, or an
            iterable of blocks of rows.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` has NaN or infinite entries, no rows or blocks of different widths, or a parameter is
            out of range. The estimator is then what it was before.

        Warns
        -----
        OrderWarning
            If the rows look sorted and the method assumes a random order.
        """
        with unchanged_on_error(self):
            for name in (
                "_summary",
                "_order_warned",
                "_entropy",
                "_parameters",
                "n_features_in_",
                "feature_names_in_",
            ):
                vars(self).pop(name, None)
            self._consume(X)
            self._warn_if_sorted()
        return self

    def partial_fit(self, X, y=None):
        """
        Add rows to those seen.

        Parameters
        ----------
        X : array of shape (n, d), or stream
            The next rows, from any of the sources of ``fit``; a single row is fine.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            The estimator.

        Raises
        ------
        ValueError
            As ``fit``. The estimator is then what it was before.

        Warns
        -----
        OrderWarning
            Once, when the rows begin to look sorted and the method assumes a random order.
        """
        with unchanged_on_error(self):
            before = self._blocks_seen()
            self._consume(X)
            # The test costs more than a block: it is made at every eighth.
            if self._blocks_seen() // 8 > before // 8:
                self._warn_if_sorted()
        return self

    def _blocks_seen(self):
        return self.n_samples_seen_ // self.state_.config.block_size if hasattr(self, "_summary") else 0

    def _consume(self, X):
        state = self._summary.state if hasattr(self, "_summary") else None
        block_size = check_integer("block_size", self.block_size, 1)
        if is_dask(X) or is_dataset(X) or is_block_iterable(X):
            d, dtype, X = peek(X, block_size)
            if dtype_name(dtype).startswith("complex"):
                raise ValueError("Complex data not supported\nUse top_eigenvector or frequent_directions.")
            if state is not None and d != state.n_features:
                raise ValueError(invalid("X", f"of {state.n_features} features like the rows before", d))
        else:
            X = validate_table(self, X, reset=state is None, ensure_finite=False)
            d, dtype = X.shape[1], X.dtype
        parameters = {name: value for name, value in vars(self).items() if name[0] != "_" and name[-1] != "_"}
        if state is None:
            config = make_config(d, dtype, **self._config_parameters())
            self._entropy = as_entropy(self.random_state, "random_state")
        elif parameters == getattr(self, "_parameters", None):
            config = state.config
        else:
            config = make_config(d, state.dtype, **self._config_parameters())
            if config != state.config:
                constraint = f"those of the rows before, {state.config}"
                raise ValueError(invalid("the parameters", constraint, config, "Call fit to start anew."))
        self._parameters = parameters
        callback = self._log if self.verbose else None
        state = run(X, config, entropy=self._entropy, state=state, callback=callback)
        self.n_features_in_ = state.n_features
        self._summary = _Summary(state)

    def _warn_if_sorted(self):
        if not getattr(self, "_order_warned", False):
            self._order_warned = warn_if_sorted(self._summary.state, stacklevel=4)

    def _log(self, info):
        logging.getLogger("spectralkit").info(
            "%s: %d rows, %.1f s", type(self).__name__, int(info.figure), info.elapsed
        )

    def _config_parameters(self):
        parameters = self.get_params(deep=False)
        for name in ("random_state", "verbose"):
            parameters.pop(name)
        return {"n_components": 1, **parameters}

    def merge(self, other):
        """
        Add all that another estimator has seen.

        Parameters
        ----------
        other : estimator of the same class
            With the same parameters, fed with other rows of the same width; it is not changed. Exact for
            ``gram``, within the certificate for ``frequent_directions``, an approximation of the size of
            the method's own error for ``incremental_svd`` and ``oja``.

        Returns
        -------
        self : estimator
            This estimator.

        Raises
        ------
        ValueError
            If the parameters or the widths differ, or the method follows one stream (``block_power``,
            ``oja_grid``).
        TypeError
            If ``other`` is of another class, or holds arrays of another library.
        """
        if type(other) is not type(self):
            raise TypeError(f"other must be a {type(self).__name__}; got {type(other).__name__}.")
        fitted = [estimator for estimator in (self, other) if hasattr(estimator, "_summary")]
        if not fitted:
            return self
        names = [list(e.feature_names_in_) for e in fitted if hasattr(e, "feature_names_in_")]
        if len(names) == 2 and names[0] != names[1]:
            raise ValueError(invalid("other", f"fitted on the features {names[0]}", names[1]))
        states = [estimator._state_for_merging(fitted[0]._summary.state) for estimator in (self, other)]
        merged = states[0].merge(states[1])
        with unchanged_on_error(self):
            self._entropy = fitted[0]._entropy
            self.n_features_in_ = merged.n_features
            if hasattr(fitted[0], "feature_names_in_"):
                self.feature_names_in_ = fitted[0].feature_names_in_
            self._summary = _Summary(merged)
        return self

    def _state_for_merging(self, like):
        """Return the state; before the first row an empty one, of the shape of ``like``."""
        if hasattr(self, "_summary"):
            return self._summary.state
        config = make_config(like.n_features, like.dtype, **self._config_parameters())
        return replace(start(config, like.entropy), n_features=like.n_features)

    @classmethod
    def from_state(cls, state):
        """
        Make an estimator that continues from a state.

        Parameters
        ----------
        state : StreamState
            What ``state_`` held, ``tree_merge`` returned or ``load_state`` read.

        Returns
        -------
        estimator
            Fitted, with the parameters of the state.
        """
        if not isinstance(state, StreamState):
            raise TypeError(f"state must be a StreamState; got {type(state).__name__}.")
        names = set(cls._get_param_names())
        parameters = {name: value for name, value in vars(state.config).items() if name in names}
        if "n_components" not in names and state.config.n_components != 1:
            raise ValueError(
                f"state must be of one component; got {state.config.n_components}. Use StreamingPCA."
            )
        estimator = cls(**parameters, random_state=state.entropy)
        estimator._entropy = state.entropy
        estimator.n_features_in_ = state.n_features
        estimator._summary = _Summary(state)
        return estimator

    def transform(self, X):
        """
        Project rows on the components.

        Parameters
        ----------
        X : array of shape (n, d)
            A table of the library that the estimator was fitted on; dense, CSR, or a Dask array, which stays
            lazy.

        Returns
        -------
        array of shape (n, k)
            The coordinates of the (centred) rows.
        """
        X, xp = self._checked(X)
        return self._project(X, xp)

    def inverse_transform(self, X):
        """
        Map coordinates back to rows.

        Parameters
        ----------
        X : array of shape (n, k)
            Coordinates, as ``transform`` returns them.

        Returns
        -------
        array of shape (n, d)
            The rows in the span of the components, shifted back by the mean.
        """
        check_is_fitted(self)
        basis, mean = self.components_, self.mean_
        if sp.issparse(X):
            raise TypeError(invalid("X", "dense coordinates", f"type {type(X).__name__}", "Use toarray()."))
        if not array_api_compat.is_array_api_obj(X):
            X = np.asarray(X)
        xp = array_api_compat.array_namespace(basis)
        if not is_dask(X):
            check_same_library(self, X, xp)
        if X.ndim != 2 or X.shape[1] != basis.shape[0]:
            raise ValueError(invalid("X", f"of shape (n, {basis.shape[0]})", f"shape {tuple(X.shape)}"))
        if is_dask(X):
            return X @ basis + mean[None, :]
        name = output_dtype_name("X", X.dtype)
        work = dtype_of(xp, working_dtype_name("X", X.dtype, allow_complex=False))
        rows = xp.astype(X, work, copy=False) @ xp.astype(basis, work, copy=False)
        return xp.astype(rows + xp.astype(mean, work, copy=False)[None, :], dtype_of(xp, name), copy=False)

    def score(self, X, y=None):
        """
        Return the share of the squared norm of the (centred) rows that the components hold.

        Parameters
        ----------
        X : array of shape (n, d)
            A table.
        y : None
            Ignored.

        Returns
        -------
        float
            Between 0 and 1; 1 if all rows lie in the span of the components.
        """
        X, xp = self._checked(X)
        exponent = self._fit.finished.exponent
        basis, mean = (xp.astype(part, xp.float64, copy=False) for part in (self.components_, self.mean_))
        held = total = 0.0
        # Some rows at a time: those of a CSR matrix become dense for it.
        for block in row_blocks(X, max(1, 2**16 // X.shape[1])):
            block = block.toarray() if sp.issparse(block) else block
            # In the units of the fit, so that squares neither overflow nor vanish.
            rows = times_power_of_two(xp.astype(block, xp.float64) - mean[None, :], -exponent)
            total += float(to_host(xp.sum(rows**2)))
            held += float(to_host(xp.sum((rows @ basis.T) ** 2)))
        return held / total if total > 0 else 1.0

    def _checked(self, X):
        check_is_fitted(self)
        fitted = array_api_compat.array_namespace(self.components_)
        if is_dask(X):
            if X.ndim != 2 or X.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"X has shape {X.shape}, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input."
                )
            return X, fitted
        X = validate_table(self, X, reset=False)
        return X, check_same_library(self, None if sp.issparse(X) else X, fitted)

    def _project(self, X, xp):
        basis, mean = self.components_, self.mean_
        if is_dask(X):
            return (X - mean[None, :]) @ basis.T
        # Halves are computed in single precision and come back as halves; integers become double.
        name = output_dtype_name("X", X.dtype)
        out, work = (dtype_of(xp, n) for n in (name, working_dtype_name("X", X.dtype)))
        basis, mean = xp.astype(basis, work, copy=False), xp.astype(mean, work, copy=False)
        if sp.issparse(X):
            return X.astype(work) @ basis.T - (mean @ basis.T)[None, :]
        return xp.astype((xp.astype(X, work, copy=False) - mean[None, :]) @ basis.T, out, copy=False)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_summary")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if hasattr(tags, "array_api_support"):
            tags.array_api_support = True
        return tags

    @property
    def _fit(self):
        if not hasattr(self, "_summary"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' or 'partial_fit' first."
            )
        return self._summary

    @property
    def _n_features_out(self):
        return self._fit.state.config.n_components

    @property
    def state_(self):
        """State of the stream, to save or to merge elsewhere."""
        return self._fit.state

    @property
    def components_(self):
        """Leading eigenvectors as rows."""
        return self._fit.components

    @property
    def eigenvalues_(self):
        """Eigenvalues of the (centred) scatter matrix, descending; in double precision."""
        return self._like_components(self._eigenvalues)

    @property
    def singular_values_(self):
        """Square roots of the eigenvalues; finite even where those overflow."""
        return self._like_components(
            np.ldexp(np.sqrt(self._fit.values), self._fit.finished.exponent), cast=True
        )

    @property
    def explained_variance_(self):
        """Variance along each component: the eigenvalue over n - 1 if centred, over n if not."""
        degrees = max(self.n_samples_seen_ - self.state_.config.center, 1)
        return self._like_components(self._eigenvalues / degrees, cast=True)

    @property
    def explained_variance_ratio_(self):
        """Share of the total variance along each component; 0 where there is none."""
        total = self._fit.spectrum.frobenius_sq
        return self._like_components(self._fit.values / (total if total > 0 else 1.0), cast=True)

    @property
    def _eigenvalues(self):
        return np.asarray([self._fit.finished.squared(value) for value in self._fit.values])

    @property
    def mean_(self):
        """Mean of the rows; zero without centring."""
        mean = self._fit.spectrum.mean
        return self.components_[0, :] * 0 if mean is None else output(self._fit.finished, mean, scale=1)

    @property
    def gap_(self):
        """Ratio of the first to the second eigenvalue, as estimated."""
        return self._fit.spectrum.gap

    @property
    def heavy_rows_(self):
        """Heavy rows held, as they came, of shape (n_heavy, d)."""
        rows = self._fit.spectrum.heavy_rows
        return self.components_[:0, :] if rows is None else output(self._fit.finished, rows, scale=1)

    @property
    def n_heavy_(self):
        """Count of the heavy rows held."""
        return self.heavy_rows_.shape[0]

    @property
    def n_samples_seen_(self):
        """Count of the rows seen."""
        return self.state_.n_samples

    @property
    def frobenius_sq_(self):
        """Sum of the squares of all (centred) entries."""
        return self._fit.finished.squared(self._fit.spectrum.frobenius_sq)

    @property
    def method_(self):
        """Method in use: the choice of "auto", or of the referee."""
        config = self.state_.config
        return self._fit.method if config.referee else config.method

    @property
    def error_bound_(self):
        """Certified bound on the 2-norm error of the sketch; of the sketching methods only."""
        bound = self._fit.spectrum.error_bound
        if bound is None:
            raise AttributeError(
                "error_bound_ exists for methods 'frequent_directions' and 'incremental_svd'; "
                f"this one is {self.method_!r}."
            )
        return self._fit.finished.squared(bound)

    def _like_components(self, values, *, cast=False):
        """Return host figures as an array of the library of the components; cast to single with float32."""
        if cast and dtype_name(self.components_.dtype) != "float64":
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
        return from_host(values, array_api_compat.array_namespace(self.components_), self.components_)


class StreamingPCA(_StreamingEstimator):
    """
    Principal components of a stream of rows, in one pass and small memory.

    A drop-in for scikit-learn's IncrementalPCA that takes any source of rows, merges, and chooses between an
    exact method and one of O(d) memory. Cost O(n d^2) for "gram", O(n d k) for "oja".

    Parameters
    ----------
    n_components : int, default=2
        Number of components ``k``.
    method : str, default="auto"
        "oja": gap-adaptive block Oja with a heavy-row store, O(n d k) and O(d k) memory, for rows in random
        order. "frequent_directions": deterministic, any order, with a certificate. "incremental_svd": the
        sketch without its shrinkage. "gram": exact, O(n d^2) and O(d^2) memory. "block_power" and
        "oja_grid": the published algorithms for one vector. "auto": "gram" where it fits in the memory
        limit, else "oja" with the referee.
    n_heavy : int, default=32
        Heavy rows that are kept exactly, at the most.
    heavy_threshold : float or "auto", default="auto"
        A row is heavy when its squared norm exceeds this multiple of ``||A||_F ** 2 / d``, and twice the mean
        of all rows; "auto" is 0.15.
    block_size : int, default=256
        Rows taken together in one step, at least. Rows wait until a block is full, so that the result does
        not depend on how a stream is cut into calls.
    subspace_dim : int, default=2
        Columns carried by "oja"; at least n_components + 1 are.
    sketch_size : int, default=32
        Rows of the sketch of "frequent_directions" and "incremental_svd".
    referee : "auto" or bool, default="auto"
        Whether to run the sketching methods and the grid beside "oja" on the same pass, and let a CountSketch
        of the stream choose between the answers, at the cost of all of them. "auto" does so
        when ``method="auto"`` comes to "oja".
    center : bool, default=True
        Whether to subtract the mean of the rows.
    memory_limit : int or None, default=None
        Bytes that the state and two blocks may take. None lets "gram" use 128 MiB: up to 4096 features.
    random_state : None, int, RandomState or Generator, default=None
        Source of the start vectors and of the referee's signs.
    alpha : float, default=1.0
        Share of the sketch that "frequent_directions" shrinks.
    verbose : int, default=0
        Above 0, progress is logged at level INFO to the logger "spectralkit".

    Attributes
    ----------
    components_ : array of shape (k, d)
        Leading eigenvectors of the (centred) scatter matrix as orthonormal rows; the entry of largest
        modulus of each is positive.
    eigenvalues_ : array of shape (k,)
        Eigenvalues of ``(A - 1 mean')'(A - 1 mean')`` if centred, of ``A'A`` if not; in double precision,
        since sums over a long stream overflow shorter dtypes.
    singular_values_ : array of shape (k,)
        Their square roots.
    explained_variance_ : array of shape (k,)
        ``eigenvalues_ / (n - 1)`` if centred, ``eigenvalues_ / n`` if not.
    explained_variance_ratio_ : array of shape (k,)
        ``eigenvalues_ / frobenius_sq_``.
    mean_ : array of shape (d,)
        Mean of the rows; zero without centring.
    gap_ : float
        Estimated ratio of the first to the second eigenvalue; NaN for methods that follow one vector.
    heavy_rows_ : array of shape (n_heavy, d)
        Heavy rows held, as they came.
    n_heavy_ : int
        Their number.
    n_samples_seen_ : int
        Number of rows seen.
    frobenius_sq_ : float
        Sum of the squares of all (centred) entries.
    method_ : str
        The method in use; with the referee, the one whose answer is given.
    error_bound_ : float
        Certified bound on the 2-norm error of the sketch; of the sketching methods only.
    state_ : StreamState
        The state of the stream, to save, or to merge elsewhere.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, if the input had them.

    See Also
    --------
    StreamingTopEigenvector : One eigenvector, without centring.
    top_eigenvector : The same as a function.
    tree_merge : Merge the states of many workers.

    Notes
    -----
    See the user guide for which promise each method makes: small memory, a small gap, an arbitrary order and
    exact merging cannot be had together [1]_ [2]_.

    References
    ----------
    .. [1] P. Kacham and D. P. Woodruff, "Approximating the Top Eigenvector in Random Order Streams",
       NeurIPS 2024, arXiv:2412.11963.
    .. [2] E. Price and Z. Xun, "Spectral Guarantees for Adversarial Streaming PCA", FOCS 2024,
       arXiv:2408.10332.
    .. [3] M. Ghashami, E. Liberty, J. M. Phillips and D. P. Woodruff, "Frequent Directions: Simple and
       Deterministic Matrix Sketching", SIAM Journal on Computing 45 (2016).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from spectralkit.streaming import StreamingPCA
    >>> X = load_digits().data
    >>> pca = StreamingPCA(n_components=2)
    >>> for start in range(0, len(X), 100):
    ...     pca = pca.partial_fit(X[start : start + 100])
    >>> pca.transform(X).shape, pca.method_
    ((1797, 2), 'gram')
    >>> pca.explained_variance_ratio_.round(3)
    array([0.149, 0.136])
    """

    def __init__(
        self,
        n_components=2,
        method="auto",
        n_heavy=32,
        heavy_threshold="auto",
        block_size=256,
        subspace_dim=2,
        sketch_size=32,
        referee="auto",
        center=True,
        memory_limit=None,
        random_state=None,
        alpha=1.0,
        verbose=0,
    ):
        self.n_components = n_components
        self.method = method
        self.n_heavy = n_heavy
        self.heavy_threshold = heavy_threshold
        self.block_size = block_size
        self.subspace_dim = subspace_dim
        self.sketch_size = sketch_size
        self.referee = referee
        self.center = center
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.alpha = alpha
        self.verbose = verbose


class StreamingTopEigenvector(_StreamingEstimator):
    """
    The top eigenvector of ``A'A`` for a stream of rows of ``A``, in one pass and small memory.

    The estimator form of ``top_eigenvector``: fed block by block, merged, saved, and used as a projection on
    one component. Cost O(n d^2) for "gram", O(n d) for "oja".

    Parameters
    ----------
    method : str, default="auto"
        "oja": gap-adaptive block Oja with a heavy-row store, O(n d k) and O(d k) memory, for rows in random
        order. "frequent_directions": deterministic, any order, with a certificate. "incremental_svd": the
        sketch without its shrinkage. "gram": exact, O(n d^2) and O(d^2) memory. "block_power" and
        "oja_grid": the published algorithms for one vector. "auto": "gram" where it fits in the memory
        limit, else "oja" with the referee.
    n_heavy : int, default=32
        Heavy rows that are kept exactly, at the most.
    heavy_threshold : float or "auto", default="auto"
        A row is heavy when its squared norm exceeds this multiple of ``||A||_F ** 2 / d``, and twice the mean
        of all rows; "auto" is 0.15.
    block_size : int, default=256
        Rows taken together in one step, at least. Rows wait until a block is full, so that the result does
        not depend on how a stream is cut into calls.
    subspace_dim : int, default=2
        Columns carried by "oja"; at least n_components + 1 are.
    sketch_size : int, default=32
        Rows of the sketch of "frequent_directions" and "incremental_svd".
    referee : "auto" or bool, default="auto"
        Whether to run the sketching methods and the grid beside "oja" on the same pass, and let a CountSketch
        of the stream choose between the answers, at the cost of all of them. "auto" does so
        when ``method="auto"`` comes to "oja".
    center : bool, default=False
        Whether to subtract the mean of the rows.
    memory_limit : int or None, default=None
        Bytes that the state and two blocks may take. None lets "gram" use 128 MiB: up to 4096 features.
    random_state : None, int, RandomState or Generator, default=None
        Source of the start vectors and of the referee's signs.
    alpha : float, default=1.0
        Share of the sketch that "frequent_directions" shrinks.
    verbose : int, default=0
        Above 0, progress is logged at level INFO to the logger "spectralkit".

    Attributes
    ----------
    components_ : array of shape (1, d)
        Leading eigenvectors of the scatter matrix as orthonormal rows; the entry of largest modulus
        of each is positive.
    eigenvalues_ : array of shape (1,)
        Eigenvalues of ``(A - 1 mean')'(A - 1 mean')`` if centred, of ``A'A`` if not; in double precision,
        since sums over a long stream overflow shorter dtypes.
    singular_values_ : array of shape (1,)
        Their square roots.
    explained_variance_ : array of shape (1,)
        ``eigenvalues_ / (n - 1)`` if centred, ``eigenvalues_ / n`` if not.
    explained_variance_ratio_ : array of shape (1,)
        ``eigenvalues_ / frobenius_sq_``.
    mean_ : array of shape (d,)
        Mean of the rows; zero without centring.
    gap_ : float
        Estimated ratio of the first to the second eigenvalue; NaN for methods that follow one vector.
    heavy_rows_ : array of shape (n_heavy, d)
        Heavy rows held, as they came.
    n_heavy_ : int
        Their number.
    n_samples_seen_ : int
        Number of rows seen.
    frobenius_sq_ : float
        Sum of the squares of all (centred) entries.
    method_ : str
        The method in use; with the referee, the one whose answer is given.
    error_bound_ : float
        Certified bound on the 2-norm error of the sketch; of the sketching methods only.
    state_ : StreamState
        The state of the stream, to save, or to merge elsewhere.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, if the input had them.

    See Also
    --------
    StreamingPCA : Several components, centred.
    top_eigenvector : The same as a function.
    tree_merge : Merge the states of many workers.

    Notes
    -----
    See the user guide for which promise each method makes: small memory, a small gap, an arbitrary order and
    exact merging cannot be had together [1]_ [2]_.

    References
    ----------
    .. [1] P. Kacham and D. P. Woodruff, "Approximating the Top Eigenvector in Random Order Streams",
       NeurIPS 2024, arXiv:2412.11963.
    .. [2] E. Price and Z. Xun, "Spectral Guarantees for Adversarial Streaming PCA", FOCS 2024,
       arXiv:2408.10332.
    .. [3] M. Ghashami, E. Liberty, J. M. Phillips and D. P. Woodruff, "Frequent Directions: Simple and
       Deterministic Matrix Sketching", SIAM Journal on Computing 45 (2016).

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.streaming import StreamingTopEigenvector
    >>> rng = np.random.default_rng(0)
    >>> estimator = StreamingTopEigenvector(method="oja", random_state=0)
    >>> for _ in range(20):
    ...     block = rng.standard_normal((1000, 30))
    ...     block[:, 3] *= 2
    ...     estimator = estimator.partial_fit(block)
    >>> bool(estimator.components_[0, 3] > 0.999)
    True
    """

    def __init__(
        self,
        method="auto",
        n_heavy=32,
        heavy_threshold="auto",
        block_size=256,
        subspace_dim=2,
        sketch_size=32,
        referee="auto",
        center=False,
        memory_limit=None,
        random_state=None,
        alpha=1.0,
        verbose=0,
    ):
        self.method = method
        self.n_heavy = n_heavy
        self.heavy_threshold = heavy_threshold
        self.block_size = block_size
        self.subspace_dim = subspace_dim
        self.sketch_size = sketch_size
        self.referee = referee
        self.center = center
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.alpha = alpha
        self.verbose = verbose
