"""Rotation-invariant features of point clouds."""

from types import SimpleNamespace

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from spectralkit._core.checks import check_flag, check_integer, check_number, invalid
from spectralkit._core.dtypes import eps
from spectralkit._core.namespaces import array_namespace, from_host, to_host
from spectralkit.base import unchanged_on_error
from spectralkit.equivariant._arguments import as_real, degrees
from spectralkit.equivariant._harmonics import spherical_harmonics
from spectralkit.equivariant._power import gaunt_power


class SphericalInvariants(TransformerMixin, BaseEstimator):
    """
    Features of point clouds that do not change when a cloud is rotated, mirrored or reordered.

    For shapes, molecules and neighbourhoods of atoms: each cloud becomes a density, expanded in radial
    functions times spherical harmonics, and the features are products of the coefficients that no rotation
    changes, up to three or four points at a time. Cost `O(n K L^2 + K^2 L^2 + K L^3)` for a cloud of n
    points with K channels, one for each radial function and type.

    Parameters
    ----------
    lmax : int, default=4
        Largest degree of the harmonics: the angular resolution.
    n_radial : int, default=4
        Number of radial functions.
    order : int, default=3
        Points that a feature correlates at the most, from 1 to 4.
    r_max : float or None, default=None
        Distance from the centre to which the radial functions reach; None for the largest seen in ``fit``.
    center : bool, default=True
        Whether distances count from the weighted mean of each cloud, which makes the features invariant to
        translations too; otherwise from the origin.
    average : bool, default=False
        Whether to divide by the total weight of each cloud, so that the number of points does not matter.
    type_column : int or None, default=None
        Column of the clouds that says of what type a point is, such as an atomic number; types have channels
        of their own.
    weight_column : int or None, default=None
        Column of the clouds with weights of the points, or charges, of any sign.

    Attributes
    ----------
    r_max_ : float
        The distance to which the radial functions reach.
    types_ : ndarray of shape (n_types,)
        The types seen in ``fit``; None without a type column.
    n_features_in_ : int
        Number of columns of the clouds.
    n_features_out_ : int
        Number of features.

    See Also
    --------
    gaunt_power : The products of densities with themselves.
    spherical_harmonics : The angular functions.

    Notes
    -----
    With channels k of coefficients ``c_klm = Σ_i w_i R_k(|r_i|) Y_lm(r_i)`` the features are ``c_k00``;
    the power spectrum ``Σ_m c_klm c_k'lm``; for three points ``Σ_m (c_k²)_lm c_k'lm`` and for four
    ``Σ_m (c_k²)_lm (c_k'²)_lm``, with ``c_k²`` the Gaunt power, each for every degree up to ``lmax``. Radial
    functions are Gaussians at equal distances, of that width; for l > 0 they vanish at the centre as
    ``1 - exp(-r²/σ²)``, where a direction is not defined. Gaunt products know no handedness, so that mirror
    images have equal features.

    References
    ----------
    .. [1] A. P. Bartók, R. Kondor and G. Csányi, "On representing chemical environments", Physical Review B
       87, 2013, arXiv:1209.3140.
    .. [2] R. Drautz, "Atomic cluster expansion for accurate and transferable interatomic potentials",
       Physical Review B 99, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.equivariant import SphericalInvariants
    >>> clouds = list(np.random.default_rng(0).standard_normal((10, 30, 3)))
    >>> invariants = SphericalInvariants().fit(clouds)
    >>> turned = [cloud[:, [1, 2, 0]] for cloud in clouds]
    >>> np.allclose(invariants.transform(turned), invariants.transform(clouds))
    True
    """

    def __init__(
        self,
        lmax=4,
        n_radial=4,
        order=3,
        r_max=None,
        center=True,
        average=False,
        type_column=None,
        weight_column=None,
    ):
        self.lmax = lmax
        self.n_radial = n_radial
        self.order = order
        self.r_max = r_max
        self.center = center
        self.average = average
        self.type_column = type_column
        self.weight_column = weight_column

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags._skip_test = True  # transforms lists of clouds
        return tags

    def fit(self, X, y=None):
        """
        Find the extent and the types of clouds.

        Parameters
        ----------
        X : list of arrays of shape (n_i, 3 + extra), or array of shape (n_clouds, n, 3 + extra)
            Clouds: coordinates in the first three columns, then those of type and weight, if any.
        y : None
            Ignored.

        Returns
        -------
        self : SphericalInvariants
            The fitted transformer.

        Raises
        ------
        ValueError
            If a cloud is empty, not finite or of another width, or a parameter is out of range.
        TypeError
            If clouds are of different libraries, or of a dtype that is not supported.
        """
        with unchanged_on_error(self):
            check_integer("lmax", self.lmax, 0)
            check_integer("n_radial", self.n_radial, 1)
            check_integer("order", self.order, 1, 4)
            check_flag("center", self.center)
            check_flag("average", self.average)
            self._parameters = SimpleNamespace(**self.get_params())  # they may change after fit
            clouds, _, xp = _as_clouds(X)
            self.n_features_in_ = clouds[0].shape[1]
            columns = [column for column in (self.type_column, self.weight_column) if column is not None]
            for name in ("type_column", "weight_column"):
                if getattr(self, name) is not None:
                    remedy = "The first three columns are coordinates."
                    column = check_integer(name, getattr(self, name), 3, remedy=remedy)
                    if column >= self.n_features_in_:
                        constraint = f"below the number of columns, {self.n_features_in_}"
                        raise ValueError(invalid(name, constraint, column))
            if len(set(columns)) != self.n_features_in_ - 3:
                remedy = "Name the other columns by type_column and weight_column."
                given = f"{self.n_features_in_} columns, {len(set(columns))} of them named"
                raise ValueError(invalid("X", "clouds of three coordinates", given, remedy))
            if self.r_max is None:
                extent = max(self._extent(cloud, xp) for cloud in clouds)
                self.r_max_ = extent or 1.0  # all points in the centre
            else:
                self.r_max_ = check_number("r_max", self.r_max, 0.0, open_low=True)
            self.types_ = None
            if self.type_column is not None:
                found = [np.unique(to_host(cloud[:, self.type_column])) for cloud in clouds]
                self.types_ = np.unique(np.concatenate(found))
            self.n_features_out_ = len(self._names())
        return self

    def transform(self, X):
        """
        Compute the features of clouds.

        Parameters
        ----------
        X : list of arrays of shape (n_i, 3 + extra), or array of shape (n_clouds, n, 3 + extra)
            Clouds, as in ``fit``.

        Returns
        -------
        array of shape (n_clouds, n_features)
            Their features, in float64.

        Raises
        ------
        ValueError
            If a cloud is empty, not finite or of another width, has a type that ``fit`` has not seen, or with
            ``average`` has weights that add up to 0 up to rounding.
        TypeError
            If clouds are of different libraries, or of a dtype that is not supported.
        """
        check_is_fitted(self)
        clouds, units, xp = _as_clouds(X)
        if clouds[0].shape[1] != self.n_features_in_:
            given = f"{clouds[0].shape[1]} columns"
            raise ValueError(invalid("X", f"clouds of {self.n_features_in_} columns, as in fit", given))
        c = xp.stack([self._density(cloud, unit, xp) for cloud, unit in zip(clouds, units, strict=True)])
        return self._invariants(c, xp)

    def get_feature_names_out(self, input_features=None):
        """
        Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_features,)
            Names such as ``"power2_k0_k1_l3"``: two points, channels 0 and 1, degree 3. Channels count radial
            functions first, then types.
        """
        check_is_fitted(self)
        return np.asarray(self._names(), dtype=object)

    def _names(self):
        channels = range(self._parameters.n_radial * (1 if self.types_ is None else len(self.types_)))
        names = [f"mean_k{k}" for k in channels]
        for order in range(2, self._parameters.order + 1):
            first, second = _pairs(len(channels), order)
            names += [
                f"power{order}_k{j}_k{k}_l{l}"
                for j, k in zip(first, second, strict=True)
                for l in range(self._parameters.lmax + 1)  # noqa: E741
            ]
        return names

    def _extent(self, cloud, xp):
        """Return the largest distance from the centre, 0 if it is but rounding of the coordinates."""
        extent = float(xp.max(self._centred(cloud, xp)[1]))
        rounding = 2e-15 * float(xp.max(xp.abs(cloud[:, :3])))
        return 0.0 if self._parameters.center and extent <= rounding else extent

    def _centred(self, cloud, xp):
        """Return vectors from the centre, their lengths, and weights."""
        points = cloud[:, :3]
        weights = xp.ones_like(cloud[:, 0])
        if self._parameters.weight_column is not None:
            weights = cloud[:, self._parameters.weight_column]
        if self._parameters.center:
            # Charges of both signs may cancel: the centre is that of their moduli.
            mass = xp.abs(weights)
            largest = xp.max(mass)
            if not float(largest) > 0.0:
                raise ValueError(invalid("X", "clouds of some weight", "weights that are all 0"))
            mass = mass / largest  # their sum must not overflow
            points = points - points[:1, :]  # of equal points nothing is left, not even rounding
            points = points - xp.sum(points * (mass / xp.sum(mass))[:, None], axis=0)
        scale = float(xp.max(xp.abs(points))) or 1.0  # squares must not under- or overflow
        return points, scale * xp.linalg.vector_norm(points / scale, axis=1), weights

    def _density(self, cloud, unit, xp):
        """Return the coefficients of shape (channels, (lmax + 1)**2); ``unit`` is the roundoff of weights."""
        points, r, weights = self._centred(cloud, xp)
        if self._parameters.average:
            largest = float(xp.max(xp.abs(weights))) or 1.0
            weights = weights / largest
            total = float(xp.sum(weights))
            if abs(total) <= weights.shape[0] * unit * float(xp.sum(xp.abs(weights))):
                raise ValueError(invalid("X", "clouds of some weight", "weights that add up to 0"))
            weights = weights / total
        # In widths; far outside, where all functions are 0, squares must not overflow.
        far = from_host(np.asarray(50.0 * self.r_max_), xp, cloud)
        r = xp.minimum(r, far)[:, None] / self.r_max_ * self._parameters.n_radial
        centres = from_host(np.arange(self._parameters.n_radial) + 0.5, xp, cloud)
        radial = weights[:, None] * xp.exp(-0.5 * (r - centres) ** 2)
        at_centre = r <= 1e-12 * self._parameters.n_radial
        pole = from_host(np.array([0.0, 0.0, 1.0]), xp, cloud)
        Y = spherical_harmonics(self._parameters.lmax, xp.where(at_centre, pole, points))
        fade = 1.0 - xp.exp(-(r**2))
        constant = from_host(degrees(self._parameters.lmax) == 0, xp, cloud)
        Y = Y * xp.where(constant, xp.ones_like(fade), fade)
        if self.types_ is None:
            return xp.matmul(xp.matrix_transpose(radial), Y)
        types = to_host(cloud[:, self._parameters.type_column])
        unknown = np.setdiff1d(types, self.types_)
        if unknown.size:
            given = f"a type {unknown[0]:g}"
            remedy = "Fit on clouds that have all types."
            raise ValueError(invalid("X", f"of the types {self.types_.tolist()}", given, remedy))
        parts = []
        for value in self.types_:
            chosen = from_host((types == value).astype(float), xp, cloud)
            parts.append(xp.matmul(xp.matrix_transpose(radial * chosen[:, None]), Y))
        return xp.concat(parts, axis=0)

    def _invariants(self, c, xp):
        features = [c[:, :, 0]]
        if self._parameters.order > 2:
            square = gaunt_power(c, 2, lmax_out=self._parameters.lmax)
        for order in range(2, self._parameters.order + 1):
            left = c if order == 2 else square
            right = square if order == 4 else c
            first, second = (from_host(index, xp, c) for index in _pairs(c.shape[1], order))
            pairs = first * c.shape[1] + second
            sums = []
            for l in range(self._parameters.lmax + 1):  # noqa: E741
                part = slice(l * l, (l + 1) ** 2)
                gram = xp.matmul(left[..., part], xp.matrix_transpose(right[..., part]))
                sums.append(xp.take(xp.reshape(gram, (c.shape[0], -1)), pairs, axis=1))
            features.append(xp.reshape(xp.stack(sums, axis=-1), (c.shape[0], -1)))
        return xp.concat(features, axis=1)


def _pairs(n, order):
    """Return the channels of both factors: each pair once where the factors are alike."""
    if order == 3:
        first, second = np.divmod(np.arange(n * n), n)
        return first, second
    return np.triu_indices(n)


def _as_clouds(X):
    """Return clouds in float64, the unit roundoff that each came with, and their namespace."""
    if array_api_compat.is_array_api_obj(X) and X.ndim != 3:
        remedy = "A single cloud goes into a list: [X]."
        raise ValueError(invalid("X", "a list of clouds", f"shape {tuple(X.shape)}", remedy))
    if not np.iterable(X):
        raise TypeError(invalid("X", "a list of clouds", f"type {type(X).__name__}"))
    parts = [X[i, ...] for i in range(X.shape[0])] if array_api_compat.is_array_api_obj(X) else list(X)
    if not parts:
        raise ValueError(invalid("X", "a list of at least one cloud", "an empty one"))
    clouds, units = [], []
    for index, cloud in enumerate(parts):
        name = f"X[{index}]"
        cloud, xp = as_real(name, cloud)
        if cloud.ndim != 2 or cloud.shape[0] < 1 or cloud.shape[1] < 3:
            raise ValueError(invalid(name, "of shape (n, 3 or more)", f"shape {tuple(cloud.shape)}"))
        if clouds:
            array_namespace(**{"X[0]": clouds[0], name: cloud})
        if clouds and cloud.shape[1] != clouds[0].shape[1]:
            constraint = f"of {clouds[0].shape[1]} columns, as X[0]"
            raise ValueError(invalid(name, constraint, f"shape {tuple(cloud.shape)}"))
        if not bool(xp.all(xp.isfinite(cloud))):
            raise ValueError(invalid(name, "finite", "NaN or infinity", "Drop those points."))
        units.append(eps(cloud.dtype))
        clouds.append(xp.astype(cloud, xp.float64))
    return clouds, units, array_namespace(X=clouds[0])
