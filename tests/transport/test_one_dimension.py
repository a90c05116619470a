"""Wasserstein distances on the line: against POT, SciPy and replicated points, and their symmetries."""

import math

import numpy as np
import ot
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from spectralkit.testing import check_ratio
from spectralkit.transport import wasserstein_1d

ORDERS = [1, 1.5, 2, 3]
SIZES = [(1, 1), (1, 4), (7, 7), (6, 9), (50, 1), (40, 33)]


def points(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n), rng.exponential(size=m) + 0.2


def weights(n, seed=1):
    a = np.random.default_rng([seed, n]).random(n) + 0.05
    return a / a.sum()


def replicated(x, y, p, counts_x=None, counts_y=None):
    """The distance of the same points, each as often as its integer weight says, in equal numbers."""
    x = np.repeat(x, np.ones(len(x), int) if counts_x is None else counts_x)
    y = np.repeat(y, np.ones(len(y), int) if counts_y is None else counts_y)
    total = math.lcm(len(x), len(y))
    x, y = (np.repeat(np.sort(z), total // len(z)) for z in (x, y))
    return np.mean(np.abs(x - y) ** p)


@pytest.mark.parametrize("p", ORDERS)
@pytest.mark.parametrize("weighted", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("sizes", SIZES)
def test_against_pot(sizes, weighted, p):
    x, y = points(*sizes)
    a, b = (weights(n) if given else None for n, given in zip(sizes, weighted, strict=True))
    found = wasserstein_1d(x, y, a, b, p=p)
    assert isinstance(found, float)
    assert found == pytest.approx(float(ot.wasserstein_1d(x, y, a, b, p=p)), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_against_scipy(sizes, weighted):
    x, y = points(*sizes)
    a, b = (weights(n) if weighted else None for n in sizes)
    assert wasserstein_1d(x, y, a, b, p=1) == pytest.approx(wasserstein_distance(x, y, a, b), rel=1e-12)


@pytest.mark.parametrize("p", ORDERS)
@pytest.mark.parametrize("sizes", [(2, 3), (6, 9), (8, 12), (10, 1), (13, 17)])
def test_unequal_sizes_are_replicated_points(sizes, p):
    x, y = points(*sizes)
    check_ratio(
        abs(wasserstein_1d(x, y, p=p) - replicated(x, y, p)), replicated(x, y, p), sum(sizes), x.dtype
    )


def test_quantiles_meet_without_slivers():
    # 1/n and 1/m summed in floating point miss the steps that coincide, and a sliver of mass would be carried
    # over the whole range of 1e12.
    for n, m in [(49, 98), (30, 10), (7, 21), (93, 31)]:
        x, y = (np.repeat(np.arange(np.gcd(n, m)) * 1e12, k // np.gcd(n, m)) for k in (n, m))
        assert wasserstein_1d(x, y, p=1) == 0.0
        assert wasserstein_1d(x, y, p=3) == 0.0


@given(st.data())
def test_integer_weights_are_replicated_points(data):
    n, m = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    counts = [data.draw(st.lists(st.integers(0, 5), min_size=k, max_size=k).filter(any)) for k in (n, m)]
    values = st.floats(-10, 10, allow_subnormal=False)
    x, y = (np.array(data.draw(st.lists(values, min_size=k, max_size=k))) for k in (n, m))
    a, b = (np.array(c) / sum(c) for c in counts)
    p = data.draw(st.sampled_from(ORDERS))
    reference = replicated(x, y, p, *counts)
    np.testing.assert_allclose(wasserstein_1d(x, y, a, b, p=p), reference, rtol=1e-12, atol=1e-13 * 20**p)


@pytest.mark.parametrize("p", ORDERS)
def test_points_of_weight_zero_do_not_count(p):
    x, y = points(6, 5)
    a = weights(6)
    for position in (0, 3, 6):
        for place in (-1e3, 0.1, 1e3):  # before, among and after the others
            found = wasserstein_1d(np.insert(x, position, place), y, np.insert(a, position, 0.0), p=p)
            assert found == pytest.approx(wasserstein_1d(x, y, a, p=p), rel=1e-13)
            found = wasserstein_1d(y, np.insert(x, position, place), None, np.insert(a, position, 0.0), p=p)
            assert found == pytest.approx(wasserstein_1d(x, y, a, p=p), rel=1e-13)


def test_duplicated_points_are_doubled_weights():
    x, y = points(6, 5)
    doubled = np.full(6, 1 / 7)
    doubled[2] = 2 / 7
    found = wasserstein_1d(np.append(x, x[2]), y, p=1.5)
    assert found == pytest.approx(wasserstein_1d(x, y, doubled, p=1.5), rel=1e-13)


def test_weights_that_do_not_quite_sum_to_one():
    # The merge must not run past the ends when both sums differ by rounding, in either direction.
    for n, m in [(10, 7), (1000, 3), (3, 1000), (777, 999)]:
        x, y = points(n, m)
        a, b = weights(n), weights(m)
        for scale in (1 - 1e-7, 1 + 1e-7):
            found = wasserstein_1d(x, y, a * scale, b / scale)
            assert found == pytest.approx(float(ot.wasserstein_1d(x, y, a, b, p=2)), rel=1e-12)


def test_equal_weights_are_no_weights():
    x, y = points(6, 9)
    assert wasserstein_1d(x, y, np.full(6, 1 / 6), [1 / 9] * 9) == wasserstein_1d(x, y)
    assert wasserstein_1d(x, y, np.full(6, 3.0), normalize=True) == wasserstein_1d(x, y)
    found = wasserstein_1d(x, y, 5 * weights(6), normalize=True)
    assert found == pytest.approx(wasserstein_1d(x, y, weights(6)), rel=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", [(8, 8), (8, 5)])
def test_batches(sizes, weighted):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 1, 3, sizes[0])), rng.standard_normal((2, 3, sizes[1]))
    a, b = (weights(n) if weighted else None for n in sizes)
    found = wasserstein_1d(x, y, a, b, p=3)
    assert found.shape == (4, 2, 3)
    for i, j, k in np.ndindex(4, 2, 3):
        assert found[i, j, k] == pytest.approx(wasserstein_1d(x[i, 0, k], y[j, k], a, b, p=3), rel=1e-14)
    one = wasserstein_1d(x, y[0, 0], a, b)
    assert one.shape == (4, 1, 3)
    assert one[2, 0, 1] == pytest.approx(wasserstein_1d(x[2, 0, 1], y[0, 0], a, b), rel=1e-14)
    with pytest.raises(ValueError, match="broadcast"):
        wasserstein_1d(x, y[:, :2])


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("p", ORDERS)
@pytest.mark.parametrize("weighted", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("sizes", [(1, 1), (9, 9), (6, 9), (9, 4)])
def test_generic_path(library, sizes, weighted, p):
    xp = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, sizes[0])), rng.standard_normal((3, sizes[1]))
    a, b = (weights(n) if given else None for n, given in zip(sizes, weighted, strict=True))
    if a is not None and a.size > 2:
        a[1] += a[2]
        a[2] = 0.0
    arrays = (None if z is None else xp.asarray(z) for z in (x, y, a, b))
    found = wasserstein_1d(*arrays, p=p)
    assert type(found) is type(xp.asarray(x))
    np.testing.assert_allclose(np.from_dlpack(found), wasserstein_1d(x, y, a, b, p=p), rtol=1e-12)
    assert isinstance(wasserstein_1d(xp.asarray(x[0]), xp.asarray(y[0]), p=p), float)


FLOATS = st.floats(-100, 100, allow_subnormal=False)


@st.composite
def pairs(draw):
    n, m = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    x, y = (np.array(draw(st.lists(FLOATS, min_size=k, max_size=k))) for k in (n, m))
    masses = st.floats(0, 1, allow_subnormal=False)
    a, b = (np.array(draw(st.lists(masses, min_size=k, max_size=k))) for k in (n, m))
    a, b = (w / w.sum() if w.sum() > 0.1 else None for w in (a, b))
    return x, y, a, b, draw(st.sampled_from([1, 1.3, 2, 3]))


def assert_close(found, reference, x, y, p):
    size = max(np.abs(x).max(), np.abs(y).max(), 1e-3)
    np.testing.assert_allclose(found, reference, rtol=1e-11, atol=1e-13 * (2 * size) ** p)


@given(pairs())
def test_symmetry(pair):
    x, y, a, b, p = pair
    assert_close(wasserstein_1d(y, x, b, a, p=p), wasserstein_1d(x, y, a, b, p=p), x, y, p)
    assert_close(wasserstein_1d(-x, -y, a, b, p=p), wasserstein_1d(x, y, a, b, p=p), x, y, p)


@given(pairs(), st.integers(0, 2**32 - 1))
def test_permutation(pair, seed):
    x, y, a, b, p = pair
    order = np.random.default_rng(seed).permutation(len(x))
    found = wasserstein_1d(x[order], y, None if a is None else a[order], b, p=p)
    assert_close(found, wasserstein_1d(x, y, a, b, p=p), x, y, p)


@given(pairs(), FLOATS)
def test_translation(pair, shift):
    x, y, a, b, p = pair
    found = wasserstein_1d(x + shift, y + shift, a, b, p=p)
    assert_close(found, wasserstein_1d(x, y, a, b, p=p), x + 100, y + 100, p)
    assert_close(wasserstein_1d(x, x + shift, a, a, p=p), abs(shift) ** p, x + 100, x, p)


@given(pairs(), st.floats(1e-3, 1e3))
def test_scaling(pair, scale):
    x, y, a, b, p = pair
    reference = scale**p * wasserstein_1d(x, y, a, b, p=p)
    assert_close(wasserstein_1d(x * scale, y * scale, a, b, p=p), reference, x * scale, y * scale, p)


@given(pairs(), st.lists(FLOATS, min_size=1, max_size=8))
def test_triangle_inequality(pair, z):
    x, y, a, b, p = pair
    z = np.array(z)
    through = wasserstein_1d(x, z, a, p=p) ** (1 / p) + wasserstein_1d(z, y, None, b, p=p) ** (1 / p)
    assert wasserstein_1d(x, y, a, b, p=p) ** (1 / p) <= through * (1 + 1e-10) + 1e-4


@given(pairs())
def test_distance_to_itself_is_zero(pair):
    x, _, a, _, p = pair
    assert wasserstein_1d(x, x[::-1], a, None if a is None else a[::-1], p=p) <= 1e-13 * 200**p
    assert wasserstein_1d(x, x, a, a, p=p) == 0.0


@pytest.mark.parametrize("p", [1, 1.5, 2])
@pytest.mark.parametrize("scale", [1e150, 1e-150, 2.0**400, 2.0**-400])
@pytest.mark.parametrize("weighted", [False, True])
def test_scale(scale, p, weighted):
    x, y = points(30, 20)
    a = weights(30) if weighted else None
    # The factor rounds x * scale, and its power rounds as well.
    reference = wasserstein_1d(x, y, a, p=p) * scale**p
    assert wasserstein_1d(x * scale, y * scale, a, p=p) == pytest.approx(reference, rel=1e-13)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e-310])
def test_extreme_scale(scale):
    x, y = points(30, 20)
    assert wasserstein_1d(x * scale, y * scale, p=1) == pytest.approx(
        scale * wasserstein_1d(x, y, p=1), rel=1e-9
    )


def test_power_outside_the_range():
    x, y = points(30, 20)
    assert wasserstein_1d(x * 1e-150, y * 1e-150, p=3) == 0.0
    assert wasserstein_1d(x * 1e150, y * 1e150, p=3) == np.inf


def test_large_orders():
    # 0.2 ** 200: the differences decide the scale, not the points.
    exact = 1.6069380442589903e-140
    assert wasserstein_1d([1000.0, 1000.5], [1000.2, 1000.7], p=200) == pytest.approx(exact, rel=1e-8)
    x, y = points(30, 30)
    found = wasserstein_1d(x + 1e6, y + 1e6, p=100)
    assert found == pytest.approx(wasserstein_1d(x, y, p=100), rel=1e-6)
    assert found > 0.0
    # Neither a power of the scaled points nor that of the scale leaves the range alone.
    assert wasserstein_1d([1e-3], [-1e-3], p=2000) == 0.0
    assert wasserstein_1d([1.5], [0.5], p=2000) == 1.0


def test_far_points_have_no_squares():
    offset = 2.0**600
    x, y = np.array([0.0, 1.0, 3.0]) * 2.0**560, np.array([1.0, 1.0, 2.0]) * 2.0**560
    found = wasserstein_1d(x + offset, y + offset, p=1)
    assert found == wasserstein_1d(x, y, p=1)
    assert wasserstein_1d([1e200, 1e200], [1e200]) == 0.0


@pytest.mark.parametrize("p", [1, 2, 100])
@pytest.mark.parametrize("far", [1e200, -1e308, 1e-300])
def test_far_points_of_weight_zero(far, p):
    x, y = points(12, 9)
    a = weights(12)
    found = wasserstein_1d(np.r_[far, x], y, np.r_[0.0, a], p=p)
    assert found == pytest.approx(wasserstein_1d(x, y, a, p=p), rel=1e-13)
    found = wasserstein_1d(y, np.r_[x, far], None, np.r_[a, 0.0], p=p)
    assert found == pytest.approx(wasserstein_1d(y, x, None, a, p=p), rel=1e-13)


@pytest.mark.parametrize("p", [3, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_integer_orders_are_products(weighted, p):
    x, y = points(40, 40)
    a = weights(40) if weighted else None
    reference = wasserstein_1d(x, y, a, p=np.nextafter(p, 9.0))
    assert wasserstein_1d(x, y, a, p=p) == pytest.approx(reference, rel=1e-12)
    before = x.copy()
    wasserstein_1d(x[None, :], y, p=p)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_dtype_of_batches(library, dtype):
    xp = pytest.importorskip(library)
    x, y = (np.round(8 * z).astype(dtype) for z in points(30, 20))
    x, y = (xp.asarray(np.stack([z, z])) for z in (x, y))
    found = wasserstein_1d(x, y)
    assert str(found.dtype).rpartition(".")[2] == (dtype if dtype.startswith("float") else "float64")
    exact = wasserstein_1d(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    np.testing.assert_array_equal(np.asarray(found), exact.astype(np.asarray(found).dtype))
    assert (
        wasserstein_1d(x, np.asarray(y, dtype=float) if library == "numpy" else y.double()).dtype
        == xp.float64
    )
    assert isinstance(wasserstein_1d(x[0], y[0]), float)


def test_weights_of_short_dtypes():
    x, y = points(700, 60)
    for dtype, off in (("float16", 5e-3), ("float32", 1.5e-6)):
        a = (np.full(700, (1 + off) / 700)).astype(dtype)
        assert abs(a.astype(float).sum() - 1) > 1e-6
        assert wasserstein_1d(x, y, a) == pytest.approx(wasserstein_1d(x, y), rel=1e-12)
        with pytest.raises(ValueError, match="of sum 1"):
            wasserstein_1d(x, y, a.astype(float))
    with pytest.raises(ValueError, match="of sum 1"):
        wasserstein_1d(x, y, np.full(700, 1.1 / 700, dtype="float16"))


def test_weights_of_bfloat16():
    torch = pytest.importorskip("torch")
    x = torch.arange(7.0, dtype=torch.float64)
    a = torch.full((7,), 1 / 7, dtype=torch.bfloat16)
    assert abs(float(a.double().sum()) - 1) > 1e-4
    assert wasserstein_1d(x, 2 * x, a) == pytest.approx(wasserstein_1d(x, 2 * x), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint64", "bool"])
def test_dtypes(dtype):
    rng = np.random.default_rng(0)
    x, y = (10 * rng.random(30)).astype(dtype), (5 * rng.random(20)).astype(dtype)
    assert wasserstein_1d(x, y) == wasserstein_1d(x.astype(float), y.astype(float))


def test_single_precision_is_summed_in_double():
    # A float32 sum of 2e5 squares of 0.1 is off by 1e-5 or so; differences of 1e-4 about 1e3 would vanish.
    n = 200_000
    x = (1e3 + np.linspace(0, 1, n)).astype(np.float32)
    y = x + np.float32(2.0**-13)
    exact = np.mean((x.astype(float) - y.astype(float)) ** 2)
    assert wasserstein_1d(x, y) == pytest.approx(exact, rel=1e-12)


def test_layouts_and_lists():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 10)), rng.standard_normal((6, 7))
    reference = wasserstein_1d(x, y)
    np.testing.assert_array_equal(wasserstein_1d(np.asfortranarray(x), y), reference)
    np.testing.assert_array_equal(wasserstein_1d(np.repeat(x, 2, axis=1)[:, ::2], y[:, ::-1]), reference)
    assert wasserstein_1d(x[:, 0].tolist(), [1, 2]) == wasserstein_1d(x[:, 0], np.array([1.0, 2.0]))
    x.flags.writeable = y.flags.writeable = False
    np.testing.assert_array_equal(wasserstein_1d(x, y), reference)


def test_closed_forms():
    # Two intervals of evenly spaced points, and a point against a set.
    x = np.arange(5.0)
    assert wasserstein_1d(x, [2.0]) == pytest.approx(2.0)
    assert wasserstein_1d(x, [2.0], p=1) == pytest.approx(6 / 5)
    assert wasserstein_1d([0.0, 1.0], [0.0, 1.0], [0.25, 0.75]) == pytest.approx(0.25)
    assert wasserstein_1d([0.0], [-3.0], p=3) == pytest.approx(27.0)


A = np.linspace(0, 1, 4)


@pytest.mark.parametrize(
    ("error", "match", "arguments", "options"),
    [
        (ValueError, r"p must be a finite number in \[1, inf\]; got 0\.5", (A, A), {"p": 0.5}),
        (ValueError, "p must be", (A, A), {"p": np.inf}),
        (TypeError, "p must be a number", (A, A), {"p": "2"}),
        (TypeError, "normalize must be True or False", (A, A), {"normalize": 1}),
        (ValueError, "x must be an array; got shape", (1.0, A), {}),
        (ValueError, r"y must be non-empty; got shape \(0,\)", (A, []), {}),
        (ValueError, r"x must be non-empty; got shape \(0, 4\)", (np.empty((0, 4)), A), {}),
        (ValueError, "finite; got NaN or infinity", (A, [0.0, np.nan]), {}),
        (ValueError, "finite; got NaN or infinity", ([-np.inf, 1.0], A), {}),
        (ValueError, r"a must be .*got shape \(3,\)", (A, A, A[:3]), {}),
        (ValueError, r"b must be .*got shape \(4, 1\)", (A, A, None, A[:, None]), {}),
        (ValueError, r"a must be non-negative; got -0\.5", (A, A, [1.0, 0.5, -0.5, 0.0]), {}),
        (ValueError, "a must be finite", (A, A, [np.nan, 0, 0, 1]), {}),
        (ValueError, "b must be finite", (A, A, None, [np.inf, 0, 0, 1]), {}),
        (ValueError, "a must be of positive .*; got only zeros", (A, A, np.zeros(4)), {}),
        (ValueError, r"b must be of sum 1; got sum 2\. .*normalize=True", (A, A, None, A), {}),
        (ValueError, "a must be of sum 1", (A, A, np.full(4, 0.25) * (1 + 2e-6)), {}),
        (ValueError, "a must be of positive", (A, A, np.zeros(4)), {"normalize": True}),
        (TypeError, "x must be real; got dtype complex128", (A + 1j, A), {}),
        (TypeError, "b must be real; got dtype complex64", (A, A, None, A.astype("complex64")), {}),
        (TypeError, "y must be of .*; got dtype object", (A, A.astype(object)), {}),
        (TypeError, "x must be of .*; got dtype longdouble|float128", (A.astype("longdouble"), A), {}),
        (TypeError, "x must be of", (["a", "b"], A), {}),
    ],
)
def test_bad_input(error, match, arguments, options):
    with pytest.raises(error, match=match):
        wasserstein_1d(*arguments, **options)


def test_mixed_libraries():
    xp = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="one library"):
        wasserstein_1d(xp.asarray(A), A)
    with pytest.raises(TypeError, match="one library"):
        wasserstein_1d(A, A, xp.asarray(A))
