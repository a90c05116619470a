"""Spectral mixtures against multiple precision, and what covariance functions must be."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.gaussian_process import spectral_mixture

KINDS = [("gaussian", 2.5), *(("student_t", nu) for nu in (0.5, 2.5, 4.5, 29.5, 1.0, 2.3, 3.0, 30.0))]
CASES = [
    (spectrum, nu, order)
    for (spectrum, nu), order in itertools.product(KINDS, range(5))
    if spectrum == "gaussian" or order < 2 * nu
]


def exact(d, mean, scale, spectrum, nu, order):
    """A derivative of one component by central differences in 55 digits."""

    def k(x):
        wave = mpmath.cos(2 * mpmath.pi * mpmath.mpf(mean) * x)
        if spectrum == "gaussian":
            return mpmath.exp(-mpmath.mpf(scale) * x * x) * wave
        z = mpmath.sqrt(2 * mpmath.mpf(nu)) * scale * x
        return mpmath.power(2, 1 - mpmath.mpf(nu)) / mpmath.gamma(nu) * z**nu * mpmath.besselk(nu, z) * wave

    d = mpmath.mpf(d)
    return float(mpmath.diff(k, d, order, h=d * mpmath.mpf(10) ** -8) if order else k(d))


@pytest.mark.parametrize(("spectrum", "nu", "order"), CASES)
def test_against_multiple_precision(spectrum, nu, order):
    slow = nu.is_integer()  # in mpmath
    d = np.array([1e-7, 1e-3, 0.2, 1.0, 7.0])[slow : 4 if slow else 5]
    for mean, scale in [(1.3, 0.7), (0.0, 1.0)][: 1 if slow else 2]:
        with mpmath.workdps(55):
            expected = [exact(x, mean, scale, spectrum, nu, order) for x in d]
        found = spectral_mixture(d, [1.0], [mean], [scale], spectrum=spectrum, nu=nu, order=order)
        # Relative to the size that a derivative has: cancellation next to its zeros is natural.
        size = (2 * np.pi * mean + 2 * scale) ** order
        assert np.abs(found - expected).max() <= 3e-14 * size


@pytest.mark.parametrize(("spectrum", "nu", "order"), CASES)
def test_parity(spectrum, nu, order):
    d = np.array([1e-300, 1e-9, 0.3, 2.0, 1e5])
    options = dict(spectrum=spectrum, nu=nu, order=order)
    k = spectral_mixture(d, [1.0, 0.5], [0.7, 2.0], [0.9, 0.1], **options)
    assert_array_equal(spectral_mixture(-d, [1.0, 0.5], [0.7, 2.0], [0.9, 0.1], **options), (-1) ** order * k)


@pytest.mark.parametrize(("spectrum", "nu"), KINDS)
def test_value_at_zero_and_far_away(spectrum, nu):
    d = np.array([0.0, 1e-320, 1e-300, 1e5, 1e160, -1e300])
    k = spectral_mixture(d, [1.0, 0.25], [0.7, 2.0], [0.9, 0.1], spectrum=spectrum, nu=nu)
    # |d|^(2 nu) at 1e-300 is no smaller than that.
    assert_allclose(k, [1.25, 1.25, 1.25, 0, 0, 0], rtol=1e-15)


@pytest.mark.parametrize("spectrum", ["gaussian", "student_t"])
@pytest.mark.parametrize("nu", [2.5, 3.3])
def test_derivatives_at_zero_in_closed_form(spectrum, nu):
    mean, scale = 1.3, 0.7
    omega = 2 * np.pi * mean
    if spectrum == "gaussian":
        second, fourth = 2 * scale, 12 * scale**2
    else:  # moments of Student's t
        second = nu / (nu - 1) * scale**2
        fourth = 3 * nu**2 / ((nu - 1) * (nu - 2)) * scale**4
    expected = [1, 0, -second - omega**2, 0, fourth + 6 * second * omega**2 + omega**4]
    d = np.array([0.0, 1e-300, 1e-20])
    for order in range(5):
        k = spectral_mixture(d, [1.0], [mean], [scale], spectrum=spectrum, nu=nu, order=order)
        assert_allclose(k, expected[order], rtol=1e-13, atol=1e-12)


def test_order_4_is_order_2_twice():
    d, h = np.array([0.3, 1.1]), 1e-3
    for spectrum in ("gaussian", "student_t"):
        k = [spectral_mixture(d + m * h, [1.0], [0.5], [0.8], spectrum=spectrum, order=2) for m in (-1, 0, 1)]
        fourth = spectral_mixture(d, [1.0], [0.5], [0.8], spectrum=spectrum, order=4)
        assert_allclose((k[0] - 2 * k[1] + k[2]) / h**2, fourth, rtol=1e-4, atol=1e-3)


def test_no_width_is_a_wave():
    d = np.linspace(-3, 3, 50)
    for spectrum in ("gaussian", "student_t"):
        for order, wave in enumerate((np.cos, lambda t: -np.sin(t), lambda t: -np.cos(t), np.sin, np.cos)):
            k = spectral_mixture(d, [2.0], [0.7], [0.0], spectrum=spectrum, order=order)
            omega = 1.4 * np.pi
            assert_allclose(k, 2 * omega**order * wave(omega * d), atol=1e-13 * omega**order)


@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
def test_positive_semidefinite(seed, kind):
    rng = np.random.default_rng(seed)
    Q, D = rng.integers(1, 5), rng.integers(1, 4)
    x = rng.standard_normal((25, D)) * 10.0 ** rng.uniform(-1, 1)
    shape = (Q, D) if rng.random() < 0.5 else (Q,)
    weights, means, scales = rng.random(shape), 3 * rng.random((Q, D)), 10.0 ** rng.uniform(-2, 2, (Q, D))
    K = spectral_mixture(x[:, None] - x, weights, means, scales, spectrum=kind[0], nu=kind[1])
    assert_array_equal(K, K.T)
    assert np.linalg.eigvalsh(K)[0] >= -1e-10 * np.trace(K)


@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.floats(-3, 3))
def test_scaling_and_superposition(seed, kind, exponent):
    rng = np.random.default_rng(seed)
    options, c = dict(spectrum=kind[0], nu=kind[1]), 2.0 ** round(exponent)
    d = rng.standard_normal(9)
    w, m, s = rng.random((3, 4))
    k = spectral_mixture(d, w, m, s, **options)
    halves = [spectral_mixture(d, w[i : i + 2], m[i : i + 2], s[i : i + 2], **options) for i in (0, 2)]
    assert_allclose(halves[0] + halves[1], k, atol=1e-14)
    assert_allclose(spectral_mixture(d, 1e12 * w, m, s, **options), 1e12 * k, rtol=1e-12, atol=1e-2)
    # Other units of length.
    power = 2 if kind[0] == "gaussian" else 1
    assert_allclose(spectral_mixture(c * d, w, m / c, s / c**power, **options), k, atol=1e-13)


def test_half_integers_agree_with_their_neighbours():
    """The closed form and the Bessel function of SciPy are one function."""
    d = np.linspace(-4, 4, 41)
    for order in range(5):
        k = [
            spectral_mixture(d, [1.0], [0.4], [0.6], spectrum="student_t", nu=nu, order=order)
            for nu in (3.5, 3.5 + 1e-9)
        ]
        assert_allclose(k[0], k[1], rtol=1e-7, atol=1e-7)


def test_several_dimensions():
    rng = np.random.default_rng(0)
    d, w, W = rng.standard_normal((4, 5, 2)), rng.random(3), rng.random((3, 2))
    m, s = rng.random((2, 3, 2))
    factor = np.exp(-s * d[..., None, :] ** 2) * np.cos(2 * np.pi * m * d[..., None, :])
    assert_allclose(spectral_mixture(d, w, m, s), (w * factor.prod(axis=-1)).sum(axis=-1))
    assert_allclose(spectral_mixture(d, W, m, s), (W * factor).sum(axis=-2).prod(axis=-1))
    first, second = (
        [spectral_mixture(d[..., j], W[:, j], m[:, j], s[:, j], order=order) for order in (0, 1, 2)]
        for j in (0, 1)
    )
    assert_allclose(spectral_mixture(d, W, m, s, order=(1, 2)), first[1] * second[2], atol=1e-12)
    assert_allclose(
        spectral_mixture(d[..., :1], w, m[:, :1], s[:, :1], order=2),
        spectral_mixture(d[..., 0], w, m[:, 0], s[:, 0], order=2),
    )


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("spectrum", ["gaussian", "student_t"])
@pytest.mark.parametrize("order", range(5))
def test_other_libraries(library, spectrum, order):
    xp = pytest.importorskip(library)
    d = np.concatenate([[0.0, 1e-300, 1e300], np.random.default_rng(0).standard_normal(20)])
    options = dict(spectrum=spectrum, order=order)
    expected = spectral_mixture(d, [1.0, 2.0], [0.5, 3.0], [1.0, 0.1], **options)
    like = xp.asarray(d)
    parameters = [xp.asarray(v, dtype=xp.float64) for v in ([1.0, 2.0], [0.5, 3.0], [1.0, 0.1])]
    for given_parameters in (parameters, [[1.0, 2.0], [0.5, 3.0], [1.0, 0.1]]):
        found = spectral_mixture(like, *given_parameters, **options)
        assert type(found) is type(like)
        assert found.dtype == xp.float64
        assert_allclose(np.from_dlpack(found), expected, rtol=1e-13, atol=1e-13 * np.abs(expected).max())
    with pytest.raises(ValueError, match="nu must be half-integer"):
        spectral_mixture(like, *parameters, spectrum="student_t", nu=2.4)
    with pytest.raises(TypeError, match="one library"):
        spectral_mixture(like, np.ones(2), *parameters[1:])


def test_dtypes_and_layouts():
    d = np.random.default_rng(0).standard_normal((6, 8))
    expected = spectral_mixture(d, [1.0], [0.5], [2.0])
    single = spectral_mixture(d.astype(np.float32), [1.0], [0.5], [2.0])
    assert single.dtype == np.float32
    assert_array_equal(
        single,
        spectral_mixture(d.astype(np.float32).astype(np.float64), [1.0], [0.5], [2.0]).astype(np.float32),
    )
    assert spectral_mixture(np.arange(3), [1.0], [0.5], [2.0]).dtype == np.float64
    assert spectral_mixture(0.0, [1.5], [0.5], [2.0]) == 1.5
    assert spectral_mixture(np.zeros((0, 3)), [1.5], [0.5], [2.0]).shape == (0, 3)
    other = np.repeat(np.asfortranarray(d), 2, axis=1)[:, ::2]
    other.flags.writeable = False
    assert_array_equal(spectral_mixture(other, [1.0], [0.5], [2.0]), expected)
    assert_array_equal(other, d)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (dict(spectrum="student_t", scales=[1e150], order=4), "order 4 is finite in float64"),
        (dict(scales=[1e300], order=4), "derivative of order 4 is finite in float64"),
        (dict(means=[1e300], order=4), "derivative of order 4 is finite in float64"),
        (dict(means=[1e300], d=[1e300], scales=[0.0]), "covariance is finite in float64"),
        (dict(weights=[1e308, 1e308], means=[0.0, 0.0], scales=[0.0, 0.0]), "covariance"),
        (dict(d=np.zeros(2, np.float16), weights=[1e5]), "covariance is finite in float16"),
        (dict(d=np.zeros(2, np.float32), means=[1e10], order=4), "order 4 is finite in float32"),
    ],
)
def test_overflow(change, what):
    arguments = dict(d=[0.0, 1.0], weights=[1.0], means=[1.0], scales=[1.0]) | change
    first = [arguments.pop(name) for name in ("d", "weights", "means", "scales")]
    with pytest.raises(ValueError, match=f"must be of a size for which the .*{what}"):
        spectral_mixture(*first, **arguments)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (dict(weights=[-1.0, 1.0]), ValueError, "weights must be non-negative; got -1.0"),
        (dict(scales=[1.0, -2.0]), ValueError, "scales must be non-negative"),
        (dict(weights=[np.nan, 1.0]), ValueError, "weights must be finite"),
        (dict(means=[np.inf, 1.0]), ValueError, "means must be finite"),
        (dict(d=[0.0, np.nan]), ValueError, "d must be finite"),
        (dict(weights=[1.0]), ValueError, r"weights must be of shape \(2,\)"),
        (dict(scales=1.0), ValueError, "scales must be of the shape"),
        (dict(means=1.0), ValueError, "means must be of shape"),
        (dict(weights=[], means=[], scales=[]), ValueError, "not empty"),
        (dict(spectrum="cauchy"), ValueError, "spectrum must be one of"),
        (dict(nu=0.0), ValueError, "nu must be"),
        (dict(nu=30.5), ValueError, "nu must be"),
        (dict(nu="2"), TypeError, "nu must be a number"),
        (dict(order=5), ValueError, "between 0 and 4"),
        (dict(order=-1), ValueError, "between 0 and 4"),
        (dict(order=1.0), TypeError, "an integer"),
        (dict(order=(1, 1)), ValueError, "order must be"),
        (dict(spectrum="student_t", nu=1.5, order=3), ValueError, "raise nu"),
        (dict(spectrum="student_t", nu=0.3, order=1), ValueError, "below 2 nu = 0.6"),
        (dict(means=np.ones((2, 2)), scales=np.ones((2, 2))), ValueError, r"d must be of shape \(..., 2\)"),
        (
            dict(d=np.ones(2), means=np.ones((2, 2)), scales=np.ones((2, 2)), order=2),
            ValueError,
            "a tuple of",
        ),
        (dict(d=[1j]), TypeError, "real"),
        (dict(weights=None), TypeError, "weights must be"),
        (dict(d=np.ma.masked_array([1.0], [True])), TypeError, "mask"),
    ],
)
def test_errors(change, error, match):
    arguments = dict(d=[0.0, 1.0, 2.0], weights=[1.0, 2.0], means=[0.5, 1.0], scales=[1.0, 1.0]) | change
    first = [arguments.pop(name) for name in ("d", "weights", "means", "scales")]
    with pytest.raises(error, match=match):
        spectral_mixture(*first, **arguments)
