"""Gaunt tensor products: all methods against dense sums and values, algebra, equivariance, batches."""

import functools
import gc
import math
import pickle
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import numba
import numpy as np
import pytest
from hypothesis import given

import spectralkit
from spectralkit.equivariant import (
    GauntTensorProduct,
    gaunt_convolution,
    gaunt_power,
    gaunt_tensor_product,
    rotate,
    spherical_harmonics,
)
from spectralkit.testing import assert_namespace_preserved
from tests.equivariant import reference

METHODS = ["sparse", "grid", "fft", "auto"]
every_method = pytest.mark.parametrize("method", METHODS)
# Equal and different degrees, either larger, truncated, nothing but constants.
DEGREES = [
    (0, 0, 0),
    (1, 1, 2),
    (2, 2, 2),
    (3, 3, 6),
    (5, 2, 7),
    (1, 6, 7),
    (6, 1, 3),
    (7, 0, 7),
    (0, 4, 2),
    (4, 4, 0),
    (5, 5, 9),
    (8, 7, 4),
]
degree = st.integers(0, 5)
seed = st.integers(0, 2**32 - 1)
method_names = st.sampled_from(METHODS)


def multiply(x1, x2, method="auto", **options):
    return gaunt_tensor_product(x1, x2, method=method, **options)


# Values.


@every_method
@pytest.mark.parametrize("degrees", DEGREES)
def test_sum_over_all_coefficients(degrees, method):
    l1, l2, lmax_out = degrees
    x1, x2 = reference.coefficients(l1, 9), reference.coefficients(l2, 9, seed=1)
    expected = np.einsum("ijk,ni,nj->nk", reference.gaunt_tensor(*degrees), x1, x2)
    assert reference.relative(multiply(x1, x2, method, lmax_out=lmax_out), expected) < 1e-13


@every_method
@pytest.mark.parametrize("degrees", DEGREES)
def test_single_precision(degrees, method):
    l1, l2, lmax_out = degrees
    x1 = reference.coefficients(l1, 200, dtype=np.float32)
    x2 = reference.coefficients(l2, 200, seed=1, dtype=np.float32)
    found = multiply(x1, x2, method, lmax_out=lmax_out)
    assert found.dtype == np.float32
    expected = multiply(x1.astype(float), x2.astype(float), lmax_out=lmax_out)
    # By the largest of all rows: with few coefficients a row may be all cancellation.
    assert np.max(np.abs(found - expected)) < 1e-6 * np.max(np.abs(expected))


@every_method
@pytest.mark.parametrize("degrees", [(16, 16, 32), (16, 16, 16), (16, 9, 20), (12, 12, 24)])
def test_high_degrees(degrees, method):
    l1, l2, lmax_out = degrees
    x1, x2 = reference.coefficients(l1, 5), reference.coefficients(l2, 5, seed=1)
    expected = reference.product(x1, x2, lmax_out=lmax_out)
    assert reference.relative(multiply(x1, x2, method, lmax_out=lmax_out), expected) < 1e-13
    single = multiply(x1.astype(np.float32), x2.astype(np.float32), method, lmax_out=lmax_out)
    # The sparse sum has hundreds of terms there, in single precision; "auto" takes the grid.
    assert reference.relative(single, expected) < (3e-6 if method == "sparse" else 1e-6)


@every_method
@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (3, 2), (6, 6), (16, 16)])
def test_values_are_multiplied(l1, l2, method):
    r = spherical_harmonics(l1 + l2, reference.directions(40))
    x1, x2 = reference.coefficients(l1, 6), reference.coefficients(l2, 6, seed=1)
    expected = (x1 @ r[:, : (l1 + 1) ** 2].T) * (x2 @ r[:, : (l2 + 1) ** 2].T)
    assert reference.relative(multiply(x1, x2, method) @ r.T, expected) < 1e-13


# Algebra.


@given(degree, degree, seed, method_names)
def test_commutative(l1, l2, seed, method):
    x1, x2 = reference.coefficients(l1, 3, seed=seed), reference.coefficients(l2, 3, seed=seed + 1)
    assert reference.relative(multiply(x2, x1, method), multiply(x1, x2, method)) < 1e-13


@given(degree, degree, seed, method_names, st.floats(-100, 100), st.floats(-100, 100))
def test_bilinear(l1, l2, seed, method, a, b):
    x, y = reference.coefficients(l1, 2, 3, seed=seed)
    z = reference.coefficients(l2, 3, seed=seed + 1)
    parts = a * multiply(x, z, method), b * multiply(y, z, method)
    scale = max(np.max(np.abs(part)) for part in parts)
    for found in (multiply(a * x + b * y, z, method), multiply(z, a * x + b * y, method)):
        np.testing.assert_allclose(found, sum(parts), rtol=0, atol=1e-13 * scale)


@given(degree, degree, seed, method_names)
def test_the_constant_one_is_the_identity(l1, l2, seed, method):
    x = reference.coefficients(l1, 3, seed=seed)
    one = np.zeros((l2 + 1) ** 2)
    one[0] = math.sqrt(4 * math.pi)
    expected = np.zeros((3, (l1 + l2 + 1) ** 2))
    expected[:, : x.shape[1]] = x
    assert reference.relative(multiply(x, one, method), expected) < 1e-13


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), seed, method_names)
def test_associative(l1, l2, l3, seed, method):
    lmaxs = (l1, l2, l3)
    x, y, z = (reference.coefficients(lmax, 2, seed=seed + k) for k, lmax in enumerate(lmaxs))
    left = multiply(multiply(x, y, method), z, method)
    assert reference.relative(left, multiply(x, multiply(y, z, method), method)) < 1e-13


@given(degree, seed, method_names)
def test_the_mean_of_a_product_is_the_inner_product(l, seed, method):  # noqa: E741
    x, y = reference.coefficients(l, 2, 4, seed=seed)
    mean = math.sqrt(4 * math.pi) * multiply(x, y, method, lmax_out=0)[:, 0]
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(mean, np.sum(x * y, axis=1), rtol=0, atol=1e-13 * np.max(norms))


@given(degree, degree, seed, method_names)
def test_equivariant(l1, l2, seed, method):
    x1, x2 = reference.coefficients(l1, 4, seed=seed), reference.coefficients(l2, 4, seed=seed + 1)
    R = reference.orthogonal(4, seed=seed)  # proper and improper
    found = multiply(rotate(x1, R), rotate(x2, R), method)
    assert reference.relative(found, rotate(multiply(x1, x2, method), R)) < 1e-13


@every_method
@pytest.mark.parametrize(("lmax", "lmax_out"), [(16, 32), (16, 5), (9, 9)])
def test_equivariant_at_high_degrees(lmax, lmax_out, method):
    x1, x2 = reference.coefficients(lmax, 2, 6)
    R = reference.orthogonal(6)
    found = multiply(rotate(x1, R), rotate(x2, R), method, lmax_out=lmax_out)
    expected = rotate(multiply(x1, x2, method, lmax_out=lmax_out), R)
    assert reference.relative(found, expected) < (1e-12 if method == "fft" else 1e-13)


@given(degree, degree, st.data(), seed, method_names)
def test_truncation_is_a_prefix(l1, l2, data, seed, method):
    lmax_out = data.draw(st.integers(0, l1 + l2))
    x1, x2 = reference.coefficients(l1, 3, seed=seed), reference.coefficients(l2, 3, seed=seed + 1)
    whole = multiply(x1, x2, method)
    found = multiply(x1, x2, method, lmax_out=lmax_out)
    np.testing.assert_allclose(found, whole[:, : found.shape[1]], atol=1e-13 * np.max(np.abs(whole)))


@every_method
def test_no_products_of_odd_degree_in_all(method):
    # Two vectors: no vector comes out, whatever their cross product.
    x1, x2 = np.zeros((2, 5, 4))
    x1[:, 1:], x2[:, 1:] = np.random.default_rng(0).standard_normal((2, 5, 3))
    y = multiply(x1, x2, method)
    assert np.max(np.abs(y[:, 1:4])) < 1e-15
    assert np.min(np.linalg.norm(y[:, 4:], axis=1)) > 0.1


@every_method
@pytest.mark.parametrize(
    ("first", "second"), [(1e-150, 1e-150), (1e150, 1e150), (1e300, 1e-300), (1e-150, 1e150)]
)
@pytest.mark.parametrize("lmax", [2, 9])
def test_scales(lmax, first, second, method):
    x1, x2 = reference.coefficients(lmax, 2, 5)
    found = multiply(first * x1, second * x2, method)
    assert reference.relative(found / (first * second), multiply(x1, x2, method)) < 1e-13


@every_method
@pytest.mark.parametrize("lmax", [2, 9])
def test_zeros(lmax, method):
    x = reference.coefficients(lmax, 5)
    assert not np.any(multiply(x, 0 * x, method))
    assert not np.any(multiply(0 * x, x, method))


# Batches.


@every_method
@pytest.mark.parametrize("lmax", [2, 7])
@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 127, 128, 129, 300, 1030])
def test_each_row_alone(n, lmax, method):
    # All rows depend on the number of the row, so that a tile in the wrong place shows.
    x1, x2 = reference.coefficients(lmax, 2, n)
    y = multiply(x1, x2, method, lmax_out=lmax)
    assert y.shape == (n, (lmax + 1) ** 2)
    rows = np.unique([0, n // 2, n - 1, min(127, n - 1), min(128, n - 1), min(512, n - 1)]) if n else []
    for row in rows:
        np.testing.assert_allclose(y[row], multiply(x1[row], x2[row], method, lmax_out=lmax), atol=1e-13)
    if n:
        everywhere = reference.product(x1, x2, lmax_out=lmax)
        assert np.max(np.abs(y - everywhere)) < 1e-13 * np.max(np.abs(everywhere))


@every_method
@pytest.mark.parametrize("lmax", [5, 8])
def test_working_memory_does_not_grow_with_the_rows(lmax, method):
    plan, peaks = GauntTensorProduct(lmax, lmax, method=method), []
    for n in (1, 1000, 2000):  # the first makes tables
        x = reference.coefficients(lmax, n)
        tracemalloc.start()
        y = plan(x, x)
        peaks.append(tracemalloc.get_traced_memory()[1] - y.nbytes)
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1] + 1e5


@every_method
@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_no_rows_of_other_libraries(library, method):
    xp = pytest.importorskip(library)
    y = gaunt_tensor_product(xp.zeros((0, 9)), xp.zeros((0, 4)), method=method)
    assert tuple(y.shape) == (0, 16)


def test_other_libraries_need_no_sparse_tables():
    xp = pytest.importorskip("array_api_strict")
    plan = GauntTensorProduct(2, 2, method="sparse")
    plan(xp.ones((1, 9)), xp.ones((1, 9)))
    assert "_tables" not in vars(plan)


def test_few_large_tables_are_kept():
    tracemalloc.start()
    for lmax_out in range(15, 19):
        gaunt_tensor_product(np.ones(100), np.ones(100), lmax_out=lmax_out, method="sparse")
        gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    tables = GauntTensorProduct(9, 9, method="sparse")._tables
    assert kept < 2 * sum(table.nbytes for table in tables)


@every_method
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((), ()),
        ((4,), ()),
        ((), (4,)),
        ((3, 1), (4,)),
        ((2, 1, 3), (5, 1)),
        ((0,), ()),
        ((0, 1), (1, 3)),
        ((1,), (6,)),
    ],
)
def test_broadcasting(first, second, method):
    x1, x2 = reference.coefficients(3, *first), reference.coefficients(1, *second, seed=1)
    y = multiply(x1, x2, method)
    shape = np.broadcast_shapes(first, second)
    assert y.shape == (*shape, 25)
    every_x1, every_x2 = np.broadcast_to(x1, (*shape, 16)), np.broadcast_to(x2, (*shape, 4))
    for index in np.ndindex(shape):
        np.testing.assert_allclose(y[index], multiply(every_x1[index], every_x2[index]), atol=1e-13)


@every_method
@pytest.mark.parametrize("lmax", [3, 8])
@pytest.mark.parametrize("bad", [np.nan, [np.nan, np.inf]])
def test_nan_stays_in_its_row(bad, lmax, method):
    x1, x2 = reference.coefficients(lmax, 2, 140)
    expected = multiply(x1, x2, method)
    x1[[5, 131], 2] = bad
    x2[70, 0] = np.nan
    with np.errstate(invalid="ignore"):
        y = multiply(x1, x2, method)
    rows = [5, 70, 131]
    assert not np.isfinite(y[rows]).all(axis=1).any()
    assert np.array_equal(np.delete(y, rows, axis=0), np.delete(expected, rows, axis=0))


@every_method
@pytest.mark.parametrize("lmax", [3, 8])
def test_layouts(lmax, method):
    x1, x2 = reference.coefficients(lmax, 2, 70)
    expected = multiply(x1, x2, method)
    frozen = x1.copy()
    frozen.flags.writeable = False
    wide = np.repeat(np.repeat(x1, 2, axis=1), 3, axis=0)[::3, ::2]
    for other in (
        frozen,
        wide,
        np.asfortranarray(x1),
        x1[::-1].copy()[::-1],
        x1.astype(">f8").astype("f8"),
    ):
        kept = other.copy()
        np.testing.assert_allclose(multiply(other, x2, method), expected, atol=1e-13)
        np.testing.assert_allclose(multiply(x2, other, method), expected, atol=1e-13)
        assert np.array_equal(other, kept)
    np.testing.assert_allclose(multiply(x1.tolist(), x2, method), expected, atol=1e-13)


# Weights of degrees, out.


@every_method
@pytest.mark.parametrize("shape", [(), (6,), (4, 1), (4, 6)])
def test_weights(shape, method):
    rng = np.random.default_rng(0)
    x1, x2 = reference.coefficients(2, 6), reference.coefficients(3, 4, 6, seed=1)
    w1, w2, w3 = (rng.standard_normal((*shape, n)) for n in (3, 4, 5))
    kept = [w.copy() for w in (w1, w2, w3)]

    def spread(w):
        return np.repeat(w, 2 * np.arange(w.shape[-1]) + 1, axis=-1)

    expected = spread(w3) * multiply(spread(w1) * x1, spread(w2) * x2, lmax_out=4)
    found = multiply(x1, x2, method, w1=w1, w2=w2, w3=w3, lmax_out=4)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    assert all(np.array_equal(w, old) for w, old in zip((w1, w2, w3), kept, strict=True))
    for name, w in (("w1", w1), ("w2", w2), ("w3", w3)):
        alone = multiply(x1, x2, method, lmax_out=4, **{name: w})
        f1, f2, f3 = (spread(w) if key == name else 1.0 for key in ("w1", "w2", "w3"))
        np.testing.assert_allclose(alone, f3 * multiply(f1 * x1, f2 * x2, lmax_out=4), atol=1e-13)


def test_weights_widen_the_leading_axes():
    x = reference.coefficients(2)
    assert multiply(x, x, w3=np.ones((4, 5))).shape == (4, 25)
    assert multiply(x, x, w1=np.ones((4, 3)), w2=np.ones((2, 1, 3))).shape == (2, 4, 25)


def test_weights_may_be_lists():
    x = reference.coefficients(1, 3, dtype=np.float32)
    found = multiply(x, x, w1=[1.0, 0.5], w3=[1, 0, 2])
    assert found.dtype == np.float32
    expected = multiply(x * np.float32([1, 0.5, 0.5, 0.5]), x) * np.repeat([1, 0, 2], [1, 3, 5])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@every_method
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_out(dtype, method):
    x1, x2 = reference.coefficients(2, 2, 5, dtype=dtype)
    out = np.full((5, 25), np.nan, dtype=dtype)
    assert multiply(x1, x2, method, out=out) is out
    assert np.array_equal(out, multiply(x1, x2, method))
    strided = np.full((5, 50), np.nan, dtype=dtype)[:, ::2]
    assert multiply(x1, x2, method, out=strided) is strided
    assert np.array_equal(strided, out)


def test_out_may_be_an_argument():
    x = reference.coefficients(3, 200)
    expected = multiply(x, x, lmax_out=3)
    assert np.array_equal(multiply(x, x, lmax_out=3, out=x), expected)


# Dtypes and libraries.


@every_method
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("float64", "float64", "float64"),
        ("float32", "float64", "float64"),
        ("float64", "float32", "float64"),
        ("float32", "float32", "float32"),
        ("float16", "float16", "float16"),
        ("float16", "float32", "float32"),
        ("float16", "float64", "float64"),
        ("int64", "int8", "float64"),
        ("bool", "uint8", "float64"),
        ("int32", "float32", "float64"),
        (">f8", "float64", "float64"),
    ],
)
def test_dtypes(first, second, expected, method):
    x1, x2 = (np.arange(9) % 4).astype(first), (np.arange(4) % 3).astype(second)
    found = multiply(x1, x2, method)
    assert found.dtype == expected
    exact = multiply(x1.astype(float), x2.astype(float))
    np.testing.assert_allclose(found, exact, rtol=0, atol=30 * np.finfo(found.dtype).eps)


@every_method
@pytest.mark.parametrize("lmax", [0, 3, 8])
def test_strict_arrays(lmax, method):
    x1, x2 = reference.coefficients(lmax, 2, 5)
    w1, w3 = np.random.default_rng(0).random((2, 2 * lmax + 1))

    def function(x1, x2, w1, w3):
        return multiply(x1, x2, method, w1=w1, w3=w3)

    found = assert_namespace_preserved(function, x1, x2, w1[: lmax + 1], w3)
    expected = function(x1, x2, w1[: lmax + 1], w3)
    assert reference.relative(np.from_dlpack(found), expected) < 1e-13


@every_method
def test_arrays_stay_on_their_device(method):
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    x = xp.ones((2, 4), dtype=xp.float32, device=device)
    out = xp.zeros((2, 9), dtype=xp.float32, device=device)
    assert multiply(x, x, method, w1=xp.ones(2, dtype=xp.float32, device=device), out=out) is out
    y = GauntTensorProduct(1, 1, method=method, dtype="float32")(x, x)
    assert y.device == device
    assert y.dtype == xp.float32
    assert bool(xp.all(y == out))
    with pytest.raises(TypeError, match="x1 and x2 must be arrays of one library on one device"):
        multiply(x, xp.ones((2, 4)), method)


@every_method
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_torch(dtype, method):
    torch = pytest.importorskip("torch")
    x1, x2 = (3 * reference.coefficients(2, 2, 5)).astype(dtype)
    expected = multiply(x1, x2, method)
    found = multiply(torch.from_numpy(x1), torch.from_numpy(x2), method)
    assert found.numpy().dtype == expected.dtype
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(found.numpy(), expected, atol=10 * scale * np.finfo(expected.dtype).eps)


# Plans.


@every_method
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("degrees", [(2, 2, None), (8, 8, None), (9, 4, 6)])
def test_plans(degrees, dtype, method):
    plan = GauntTensorProduct(*degrees, method=method, dtype=dtype)
    x1, x2 = reference.coefficients(degrees[0], 33), reference.coefficients(degrees[1], 33, seed=1)
    found = plan(x1, x2)
    assert found.dtype == dtype
    automatic = "grid" if degrees[0] == 8 else "sparse"
    assert plan.method == (automatic if method == "auto" else method)
    expected = multiply(x1.astype(dtype), x2.astype(dtype), method, lmax_out=degrees[2])
    assert np.array_equal(found, expected)


@every_method
@pytest.mark.parametrize("lmax", [3, 9])
def test_threads_may_share_a_plan(lmax, method):
    plan = GauntTensorProduct(lmax, lmax, method=method)
    x = reference.coefficients(lmax, 8, 300)
    expected = [plan(rows, rows[::-1]) for rows in x]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            found = pool.map(lambda rows: plan(rows, rows[::-1]), x)
            assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


@every_method
@pytest.mark.parametrize("lmax", [3, 9])
def test_the_number_of_threads_does_not_matter(lmax, method):
    x1, x2 = reference.coefficients(lmax, 2, 400)
    before, found = numba.get_num_threads(), []
    for n in (1, 2):
        numba.set_num_threads(n)
        try:
            found.append(multiply(x1, x2, method))
        finally:
            numba.set_num_threads(before)
    assert np.array_equal(*found)
    with spectralkit.threads(2):  # of BLAS too, whose sums may then be in another order
        assert reference.relative(multiply(x1, x2, method), found[0]) < 1e-13


@pytest.mark.parametrize("method", ["sparse", "grid", "fft"])
def test_plans_keep_their_tables(method):
    plan = GauntTensorProduct(3, 2, 4, method=method)
    x1, x2 = np.random.default_rng(0).standard_normal((2, 5, 16))
    expected, made = plan(x1, x2[:, :9]), plan._tables
    for lmax_out in range(20):  # more than the functions keep
        GauntTensorProduct(10, 10, lmax_out, method="grid")
        GauntTensorProduct(2, lmax_out, method=method)
    assert np.array_equal(plan(x1, x2[:, :9]), expected)
    assert plan._tables is made
    state = pickle.dumps(plan)
    assert len(state) < 500
    assert np.array_equal(pickle.loads(state)(x1, x2[:, :9]), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinity_stays_in_its_row_without_warnings(dtype):
    x = np.random.default_rng(0).standard_normal((4, 16)).astype(dtype)
    bad = x.copy()
    bad[1, 3], bad[2] = np.inf, -np.inf
    R = reference.orthogonal(1)[0]
    functions = [functools.partial(gaunt_tensor_product, x, method=method) for method in METHODS]
    functions += [
        lambda value: GauntTensorProduct(3, 3, dtype=dtype, method="grid")(x, value),
        lambda value: gaunt_power(value, 3),
        lambda value: rotate(value, R),
        lambda value: gaunt_convolution(value, [1.0, 2.0, 3.0], [1.0, 0.0, 2.0]),
    ]
    for function in functions:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            good, found = function(x), function(bad)
        np.testing.assert_allclose(found[[0, 3]], good[[0, 3]], rtol=1e-4, atol=1e-5)
        assert not np.any(np.all(np.isfinite(found[[1, 2]]), axis=1))
