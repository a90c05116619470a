"""Frequencies of known sums of waves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.gaussian_process import esprit
from spectralkit.gaussian_process._esprit import distinct, poles


def waves(x, frequencies, rng):
    amplitudes, phases = rng.uniform(0.5, 2.0, len(frequencies)), rng.uniform(0, 2 * np.pi, len(frequencies))
    return np.cos(np.outer(x, frequencies) + phases) @ amplitudes


@given(st.integers(0, 2**32 - 1))
def test_random_sums_of_waves(seed):
    """Lines at least four bins apart, in any unit of length."""
    rng = np.random.default_rng(seed)
    N, n_lines, h = int(rng.integers(100, 600)), int(rng.integers(1, 11)), 10.0 ** rng.uniform(-9, 9)
    bin_width = 2 * np.pi / (h * N)
    frequencies = np.cumsum(bin_width * rng.uniform(4, 5, n_lines)) * rng.uniform(1, N / 100)
    frequencies = frequencies[frequencies < 0.95 * np.pi / h]
    lines = esprit(waves(h * np.arange(N), frequencies, rng), h)
    assert len(lines.frequencies) == len(frequencies)
    assert np.abs(lines.frequencies - frequencies).max(initial=0.0) * h * N <= 1e-8
    assert np.abs(lines.damping).max(initial=0.0) * h * N <= 1e-8


@given(st.integers(0, 2**32 - 1))
def test_shift_and_superposition(seed):
    rng = np.random.default_rng(seed)
    x, frequencies = np.arange(200.0), np.array([0.2, 0.5, 1.1, 2.5])
    a = waves(x + rng.uniform(-1e3, 1e3), frequencies[:2], rng)
    b = waves(x, frequencies[2:], rng)
    assert_allclose(esprit(a + b, 1.0).frequencies, frequencies, atol=1e-11)
    # As signals side by side they keep their lines, each scaled for itself.
    assert_allclose(esprit(np.stack([a, 1e-9 * b]), 1.0).frequencies, frequencies, atol=1e-11)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200, 5e-320])
def test_scales(scale):
    y = waves(np.arange(100.0), np.array([0.3, 1.0]), np.random.default_rng(0))
    tol = 1e-9 if scale > 1e-300 else 0.05  # subnormal numbers have few digits
    found = esprit(scale * y, 1.0, tol=tol).frequencies
    assert_allclose(found, [0.3, 1.0], atol=1e-10 if scale > 1e-300 else 1e-2)


def test_damped_waves_constants_and_growth():
    x = 0.01 * np.arange(300)
    y = np.exp(-2 * x) * np.cos(50 * x) + 3.0 + np.exp(0.5 * x) * np.sin(80 * x)
    lines = esprit(y, 0.01)
    assert_allclose(lines.frequencies, [0.0, 50.0, 80.0], atol=1e-9)
    assert_allclose(lines.damping, [0.0, 2.0, -0.5], atol=1e-9)


def test_poles_that_are_no_lines_are_dropped():
    x = np.arange(100.0)
    lines = esprit(np.cos(x) + np.exp(-0.3 * x), 1.0)  # e^-30 over the signal
    assert_allclose(lines.frequencies, [1.0], atol=1e-11)
    impulse = np.zeros(20)
    impulse[0] = 1.0  # a pole at zero
    assert esprit(impulse, 1.0).frequencies.size == 0


def test_complex_signals_keep_signs():
    x = 0.1 * np.arange(60)
    y = np.exp(2j * x) + 0.5 * np.exp(-5j * x - 0.1 * x)
    lines = esprit(y, 0.1)
    assert_allclose(lines.frequencies, [-5.0, 2.0], atol=1e-11)
    assert_allclose(lines.damping, [0.1, 0.0], atol=1e-11)
    assert_allclose(esprit(y.real, 0.1).frequencies, [2.0, 5.0], atol=1e-11)


def test_shortest_signals():
    x = np.arange(4.0)
    assert_allclose(esprit(np.cos(1.2 * x + 0.3), 1.0).frequencies, [1.2], atol=1e-12)
    assert_allclose(esprit((-1.0) ** x, 1.0).frequencies, [np.pi])


def test_long_and_many_signals():
    """More columns than are reduced at a time."""
    rng = np.random.default_rng(0)
    x, frequencies = np.arange(6000.0), np.array([0.1, 0.4, 2.0])
    assert_allclose(esprit(waves(x, frequencies, rng), 1.0).frequencies, frequencies, atol=1e-12)
    Y = np.stack([waves(x[:300], frequencies[[i % 3]], rng) for i in range(40)])
    assert_allclose(esprit(Y, 1.0).frequencies, frequencies, atol=1e-12)


def test_singular_values_are_those_of_the_hankel_matrix():
    y = np.random.default_rng(0).standard_normal((2, 3000))
    H = np.concatenate([np.lib.stride_tricks.sliding_window_view(row / np.abs(row).max(), 320) for row in y])
    assert_allclose(esprit(y, 1.0).singular_values, np.linalg.svd(H, compute_uv=False), rtol=1e-12)


def test_zero_signals():
    lines = esprit(np.zeros((2, 50)), 0.1)
    assert lines.frequencies.size == lines.damping.size == lines.singular_values.size == 0
    y = np.cos(np.arange(50.0))
    assert_allclose(esprit(np.stack([0 * y, y]), 1.0).frequencies, [1.0], atol=1e-12)


def test_max_rank():
    rng = np.random.default_rng(0)
    y = waves(np.arange(200.0), np.array([0.5, 1.5]), rng) + 1e-3 * rng.standard_normal(200)
    assert len(esprit(y, 1.0).frequencies) > 10  # the noise
    assert_allclose(esprit(y, 1.0, max_rank=4).frequencies, [0.5, 1.5], atol=1e-4)
    assert_allclose(esprit(y, 1.0, tol=1e-2).frequencies, [0.5, 1.5], atol=1e-4)


def test_noise_is_near_the_cramer_rao_bound():
    """100 noisy copies of a wave: no bias, and a variance of at most twice the bound."""
    rng = np.random.default_rng(1)
    N, omega, noise = 200, 0.7, 0.05
    x = np.arange(N)
    errors = []
    for _ in range(100):
        y = np.cos(omega * x + rng.uniform(0, 2 * np.pi)) + noise * rng.standard_normal(N)
        errors.append(esprit(y, 1.0, max_rank=2).frequencies[0] - omega)
    bound = 24 * noise**2 / N**3
    assert np.mean(np.square(errors)) <= 2 * bound
    assert abs(np.mean(errors)) <= 4.5 * np.std(errors) / 10


def test_poles_of_a_wave_times_a_line_average():
    x = np.linspace(0, 2 * np.pi, 900)
    found, singular_values = poles((x * np.sin(200 * x))[None, :], x[1], 1e-9, 80)
    assert len(found) == 4
    assert (np.diff(singular_values) <= 0).all()
    means, counts = distinct(found.imag, 0.02)
    assert_array_equal(counts, [4])
    assert abs(means[0] - 200) <= 1e-7
    assert np.abs(np.abs(found.imag) - 200).max() > 10 * abs(means[0] - 200)


def test_distinct():
    means, counts = distinct(np.array([3.0, -3.1, 0.01, 7.0, 3.05]), 0.2)
    assert_allclose(means, [3.05, 7.0])
    assert_array_equal(counts, [3, 1])
    assert distinct(np.zeros(0), 1.0)[0].size == 0
    assert distinct(np.zeros(2), 1.0)[0].size == 0


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_other_libraries(library, dtype):
    xp = pytest.importorskip(library)
    x = 0.1 * np.arange(700)
    y = np.stack([np.cos(3 * x), np.sin(4 * x) + np.cos(9 * x)]).astype(dtype)
    expected = esprit(y, 0.1)
    found = esprit(xp.asarray(y), 0.1)
    for name, value in found.asdict().items():
        assert type(value) is type(xp.asarray(y))
        assert value.dtype == xp.float64
        assert_allclose(
            np.from_dlpack(value), getattr(expected, name), atol=1e-12 * expected.singular_values[0]
        )
    assert esprit(xp.asarray(0 * y), 0.1).frequencies.shape == (0,)


def test_single_precision():
    x = np.arange(400)
    y = np.cos(0.3 * x) + 0.1 * np.sin(1.7 * x)
    lines = esprit(y.astype(np.float32), 1.0)
    assert lines.frequencies.dtype == lines.damping.dtype == lines.singular_values.dtype == np.float32
    assert_allclose(lines.frequencies, [0.3, 1.7], atol=1e-6)  # no lines of the rounding errors
    assert esprit(y.astype(np.complex64), 1.0).frequencies.dtype == np.float32
    assert_allclose(esprit(np.array([1, 0, -1, 0] * 5), 1.0).frequencies, [np.pi / 2])


def test_read_only_and_strided():
    y = np.cos(0.3 * np.arange(100.0))
    expected = esprit(y, 1.0)
    other = np.stack([y, -y], axis=1)[:, 0]
    other.flags.writeable = False
    assert_array_equal(esprit(other, 1.0).singular_values, expected.singular_values)


def test_spacings_near_the_limits():
    y = np.cos(np.arange(40.0))
    for spacing in (1e-308, 1e-300, 1e300):
        assert_allclose(esprit(y, spacing).frequencies * spacing, [1.0])
    for signals, spacing in ((y, 1e-320), (y.astype(np.float32), 1e-40)):
        with pytest.raises(ValueError, match="spacing must be of a size for which every frequency"):
            esprit(signals, spacing)


@pytest.mark.parametrize("scale", [5e-320, 1e-310, 1e308, 1.5e308])
def test_complex_signals_near_the_limits(scale):
    """Their moduli and inverses overflow."""
    y = scale * np.exp(1j * np.arange(40.0) + 0.7j)
    assert_allclose(esprit(y, 1.0, tol=1e-2).frequencies, [1.0], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (dict(signals=np.ones(3)), ValueError, "at least 4 samples; got 3 samples"),
        (dict(signals=np.ones((2, 2, 9))), ValueError, r"of shape \(N,\) or \(k, N\)"),
        (dict(signals=1.0), ValueError, "of shape"),
        (dict(signals=np.ones((0, 9))), ValueError, "at least one signal"),
        (dict(signals=[1.0, np.nan, 2.0, 3.0]), ValueError, "signals must be finite"),
        (dict(signals=[1.0, np.inf, 2.0, 3.0]), ValueError, "signals must be finite"),
        (dict(signals=[[1.0, 2.0], [1.0]]), ValueError, "rows of different lengths"),
        (dict(signals=["a"] * 9), TypeError, "signals must be"),
        (dict(spacing=0.0), ValueError, "spacing must be"),
        (dict(spacing=np.inf), ValueError, "spacing must be"),
        (dict(spacing="1"), TypeError, "spacing must be a number"),
        (dict(tol=0.0), ValueError, "tol must be"),
        (dict(tol=1.0), ValueError, "tol must be"),
        (dict(max_rank=0), ValueError, "max_rank must be"),
        (dict(max_rank=2.0), TypeError, "max_rank must be"),
    ],
)
def test_errors(change, error, match):
    arguments = dict(signals=np.ones(10), spacing=1.0) | change
    with pytest.raises(error, match=match):
        esprit(arguments.pop("signals"), arguments.pop("spacing"), **arguments)
