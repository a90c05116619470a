"""Sparse recovery problems with Kronecker dictionaries and known answers."""

from dataclasses import dataclass

import numpy as np

from spectralkit._core.checks import check_integer, check_number, check_option, invalid
from spectralkit._core.dtypes import dtype_name
from spectralkit._core.random import as_rng
from spectralkit._core.results import Result
from spectralkit.recovery import kronecker_matvec


@dataclass(frozen=True, repr=False, eq=False)
class KroneckerProblem(Result):
    """
    Measurements of sparse coefficients through a Kronecker dictionary, and what they were made of.

    Attributes
    ----------
    Y : array of shape (M,) or (M, L)
        Measurements.
    dictionaries : list of arrays of shape (m_i, n_i)
        Factors of the dictionary.
    coef : array of shape (N,) or (N, L)
        True coefficients.
    noise_var : float
        True variance of the noise in each measurement.
    support : array of int
        Sorted indices of the nonzero coefficients.
    """

    Y: np.ndarray
    dictionaries: list
    coef: np.ndarray
    noise_var: float
    support: np.ndarray

    def nmse(self, coef):
        """
        Return the normalised squared error of estimated coefficients.

        Parameters
        ----------
        coef : array of shape (N,) or (N, L)
            The estimate.

        Returns
        -------
        float
            ``Σ |coef - self.coef|² / Σ |self.coef|²``.
        """
        return float(_energy(self._difference(coef)) / _energy(self.coef))

    def _difference(self, coef):
        coef = np.asarray(coef)
        if coef.shape != self.coef.shape:
            raise ValueError(invalid("coef", f"of shape {self.coef.shape}", f"shape {coef.shape}"))
        return coef - self.coef


@dataclass(frozen=True, repr=False, eq=False)
class IRSChannel(KroneckerProblem):
    """
    Pilots received through a reflecting surface, and the channel behind them.

    Attributes
    ----------
    Y : array of shape (M,)
        Received pilots.
    dictionaries : list of arrays of shape (m_i, n_i)
        Factors of the dictionary: surface, user, base station.
    coef : array of shape (N,)
        True path gains on the grid of angles.
    noise_var : float
        True variance of the noise in each measurement.
    support : array of int
        Sorted indices of the nonzero gains.
    channel_dictionaries : list of arrays
        The factors without pilots: they map ``coef`` to the channels of all patterns of the surface.
    """

    channel_dictionaries: list

    def nmse(self, coef):
        """
        Return the normalised squared error of the channel, averaged over the patterns of the surface.

        Parameters
        ----------
        coef : array of shape (N,)
            Estimated path gains.

        Returns
        -------
        float
            The mean of ``||H_k - estimate of H_k||² / ||H_k||²`` over the patterns k.
        """
        patterns = len(self.channel_dictionaries[0])
        true, wrong = (
            kronecker_matvec(self.channel_dictionaries, x).reshape(patterns, -1)
            for x in (self.coef, self._difference(coef))
        )
        return float(np.mean(np.sum(np.abs(wrong) ** 2, axis=1) / np.sum(np.abs(true) ** 2, axis=1)))


def make_kronecker_sparse(
    shapes=((8, 15), (12, 15), (15, 15)),
    n_nonzero=3,
    *,
    snr=20.0,
    n_snapshots=None,
    dtype=np.float64,
    rng=None,
):
    """
    Generate measurements of coefficients whose support is a Kronecker product.

    Dictionaries have independent standard normal entries. Each factor has ``n_nonzero`` active atoms at
    random places with standard normal values, and the coefficients are the Kronecker product of the factors.
    The defaults are the experiment of the paper: 3375 coefficients, 1440 measurements. Cost
    `O(N max(n_i))`.

    Parameters
    ----------
    shapes : sequence of pairs of ints, default=((8, 15), (12, 15), (15, 15))
        Shapes (m_i, n_i) of the dictionaries.
    n_nonzero : int or sequence of ints, default=3
        Active atoms of each factor: one number for all, or one for each.
    snr : float, default=20
        Power of the noiseless measurements over the variance of the noise, in dB.
    n_snapshots : int, optional
        Number of snapshots, L, with a common support and independent values; by default one vector.
    dtype : dtype, default=float64
        Either float64 or complex128; complex values have independent parts and unit variance.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    KroneckerProblem
        Measurements, dictionaries, coefficients, noise variance and support.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    make_irs_mimo : A channel model, with structured dictionaries.
    spectralkit.recovery.kronecker_sbl : Solves it.

    References
    ----------
    .. [1] Y. He and G. Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with
       application to IRS-MIMO channel estimation", 2023, arXiv:2307.14719.

    Examples
    --------
    >>> from spectralkit.datasets import make_kronecker_sparse
    >>> problem = make_kronecker_sparse(rng=0)
    >>> problem.Y.shape, problem.coef.shape, problem.support.shape
    ((1440,), (3375,), (27,))
    """
    check_option("dtype", dtype_name(dtype), ("float64", "complex128"))
    snr = check_number("snr", snr, -200.0, 200.0)
    shapes = list(shapes) if hasattr(shapes, "__iter__") else []
    if not shapes or any(np.shape(shape) != (2,) for shape in shapes):
        raise ValueError(invalid("shapes", "pairs (m_i, n_i), at least one", shapes))
    shapes = [tuple(check_integer("shapes", size, 1) for size in shape) for shape in shapes]
    counts = list(n_nonzero) if hasattr(n_nonzero, "__iter__") else [n_nonzero] * len(shapes)
    if len(counts) != len(shapes):
        raise ValueError(invalid("n_nonzero", f"one integer or {len(shapes)} of them", n_nonzero))
    counts = [check_integer("n_nonzero", k, 1, n) for k, (_, n) in zip(counts, shapes, strict=True)]
    snapshots = 1 if n_snapshots is None else check_integer("n_snapshots", n_snapshots, 1)
    rng = as_rng(rng)
    is_complex = dtype_name(dtype) == "complex128"
    dictionaries = [_normal(rng, shape, is_complex) for shape in shapes]
    places = [np.sort(rng.choice(n, k, replace=False)) for k, (_, n) in zip(counts, shapes, strict=True)]
    sizes = [n for _, n in shapes]
    support = np.ravel_multi_index(np.ix_(*places), sizes).reshape(-1)
    coef = np.zeros((int(np.prod(sizes)), snapshots), dtype=dtype)
    for column in range(snapshots):
        values = np.ones(1)
        for k in counts:
            values = np.kron(values, _normal(rng, (k,), is_complex))
        coef[support, column] = values
    coef = coef[:, 0] if n_snapshots is None else coef
    Y, noise_var = _noisy(kronecker_matvec(dictionaries, coef), snr, rng)
    return KroneckerProblem(Y, dictionaries, coef, noise_var, support)


def make_irs_mimo(
    *,
    snr=20.0,
    n_user_antennas=6,
    n_base_antennas=16,
    n_elements=256,
    resolution=18,
    n_pilots=3,
    n_patterns=6,
    angle_spread=3,
    rng=None,
):
    """
    Generate pilots of a multiple-antenna channel through an intelligent reflecting surface.

    A user sends pilots to a base station by way of a surface that applies one phase pattern after
    another. All arrays are uniform and linear with half a wavelength between elements, so each path has
    an angle at each of them, here on a grid of cosines. Paths arrive at the surface and at the base
    station over ``angle_spread`` neighbouring angles and leave the user at one, with complex normal
    gains: coefficients whose support is a Kronecker product of blocks. The defaults are the experiment of
    the paper: 5832 coefficients, 288 measurements.

    Parameters
    ----------
    snr : float, default=20
        Power of the noiseless pilots over the variance of the noise, in dB.
    n_user_antennas : int, default=6
        Antennas of the user.
    n_base_antennas : int, default=16
        Antennas of the base station.
    n_elements : int, default=256
        Elements of the surface.
    resolution : int, default=18
        Angles of the grid, in the cosine from -1 to 1, for each of the three.
    n_pilots : int, default=3
        Pilot symbols sent for each pattern, of random quadrature phases; drawn again where two angles of the
        user could not be told apart.
    n_patterns : int, default=6
        Patterns of the surface, of random signs.
    angle_spread : int, default=3
        Neighbouring angles over which paths arrive.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    IRSChannel
        Pilots, dictionaries, gains, noise variance, support, and what gives the channel.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    make_kronecker_sparse : Random dictionaries.
    spectralkit.recovery.kronecker_sbl : Solves it.

    Notes
    -----
    The dictionary is ``(T^T K) ⊗ (P^T conj(A_user)) ⊗ A_base`` with steering vectors in the columns of the
    ``A``, patterns in those of ``T``, pilots in those of ``P``, and ``K`` the products of arrival and
    departure vectors of the surface: on the grid only the difference of the two angles matters.

    References
    ----------
    .. [1] Y. He and G. Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with
       application to IRS-MIMO channel estimation", 2023, arXiv:2307.14719.

    Examples
    --------
    >>> from spectralkit.datasets import make_irs_mimo
    >>> channel = make_irs_mimo(snr=16.0, rng=0)
    >>> [dictionary.shape for dictionary in channel.dictionaries]
    [(6, 18), (3, 18), (16, 18)]
    >>> channel.nmse(channel.coef)
    0.0
    """
    snr = check_number("snr", snr, -200.0, 200.0)
    user, base, elements, grid, pilots, patterns = (
        check_integer(name, value, 1)
        for name, value in (
            ("n_user_antennas", n_user_antennas),
            ("n_base_antennas", n_base_antennas),
            ("n_elements", n_elements),
            ("resolution", resolution),
            ("n_pilots", n_pilots),
            ("n_patterns", n_patterns),
        )
    )
    spread = check_integer("angle_spread", angle_spread, 1, grid)
    rng = as_rng(rng)
    signs = rng.choice([-1.0, 1.0], (elements, patterns)) / np.sqrt(elements)
    surface = _steering(elements, grid)
    surface = signs.T @ (surface[:, :1] * surface.conj())
    sender, receiver = _steering(user, grid).conj(), _steering(base, grid)
    pilots = _pilots(sender, pilots, rng)
    # The difference of two angles wraps around; the angles at the base station do not.
    at_surface = np.sort((rng.integers(grid) + np.arange(spread)) % grid)
    at_base = rng.integers(grid - spread + 1) + np.arange(spread)
    places = [at_surface, np.array([rng.integers(grid)]), at_base]
    gains = np.kron(_normal(rng, (spread,), True), _normal(rng, (spread,), True))
    coef = np.zeros(grid**3, dtype=complex)
    support = np.ravel_multi_index(np.ix_(*places), (grid, grid, grid)).reshape(-1)
    coef[support] = gains * (elements * np.sqrt(user * base) / spread)
    dictionaries = [surface, pilots.T @ sender, receiver]
    Y, noise_var = _noisy(kronecker_matvec(dictionaries, coef), snr, rng)
    return IRSChannel(Y, dictionaries, coef, noise_var, np.sort(support), [surface, sender, receiver])


def _pilots(sender, count, rng):
    """Return random quadrature phases, that leave no two angles with parallel columns if any do not."""
    antennas = len(sender)
    for _ in range(100):
        parts = rng.choice([-1.0, 1.0], (2, antennas, count)) / np.sqrt(2 * antennas)
        pilots = parts[0] + 1j * parts[1]
        seen = pilots.T @ sender
        lengths = np.linalg.norm(seen, axis=0)
        coherence = np.abs(seen.conj().T @ seen) / np.maximum(np.outer(lengths, lengths), 1e-300)
        np.fill_diagonal(coherence, 0.0)
        if coherence.max() < 0.99 and lengths.min() > 1e-9:
            break
    return pilots


def _steering(n_antennas, resolution):
    """Return unit steering vectors in columns, on a grid of cosines from -1 to 1."""
    cosines = 2.0 * np.arange(resolution) / resolution - 1.0
    return np.exp(1j * np.pi * np.outer(np.arange(n_antennas), cosines)) / np.sqrt(n_antennas)


def _normal(rng, shape, is_complex):
    if not is_complex:
        return rng.standard_normal(shape)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2.0)


def _noisy(clean, snr, rng):
    """Return measurements with noise, and its variance."""
    noise_var = float(_energy(clean) / clean.size / 10.0 ** (snr / 10.0))
    return clean + np.sqrt(noise_var) * _normal(rng, clean.shape, np.iscomplexobj(clean)), noise_var


def _energy(x):
    return np.sum(np.abs(x) ** 2)
