"""The network simplex behind our checks: optimal plans, and potentials that prove it."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog

from spectralkit.testing import check_ratio
from spectralkit.transport import exact_transport


def problem(n, m, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return a / a.sum(), b / b.sum(), rng.random((n, m))


def check_optimal(result, a, b, C):
    """Feasibility of both programs and equal values, which together leave no room for a better plan."""
    a, b, C = (np.asarray(array, dtype=float) for array in (a, b, C))
    size = np.abs(C).max()
    assert result.plan.min() >= 0
    np.testing.assert_allclose(result.plan.sum(axis=1), a, rtol=0, atol=1e-14 * a.sum())
    np.testing.assert_allclose(result.plan.sum(axis=0), b, rtol=0, atol=1e-14 * a.sum())
    slack = C - result.f[:, None] - result.g
    # Potentials are sums along paths of the basis tree.
    check_ratio(max(0.0, -slack.min()), size, sum(C.shape), C.dtype)
    check_ratio(np.abs(slack[result.plan > 0]).max(), size, sum(C.shape), C.dtype)
    assert a @ result.f + b @ result.g == pytest.approx(result.cost, rel=1e-12, abs=1e-14 * size)
    assert a @ result.f == pytest.approx(b @ result.g, rel=1e-12, abs=1e-14 * size * a.sum())
    assert result.cost == pytest.approx((result.plan * C).sum(), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 6), (6, 4), (7, 7)])
def test_linear_program(shape):
    a, b, C = problem(*shape)
    n, m = shape
    result = exact_transport(a, b, C)
    check_optimal(result, a, b, C)
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    reference = linprog(C.ravel(), A_eq=np.vstack((rows, columns)), b_eq=np.concatenate((a, b)))
    assert result.cost == pytest.approx(reference.fun, rel=1e-9)
    np.testing.assert_allclose(result.plan.ravel(), reference.x, rtol=0, atol=1e-9)
    assert np.count_nonzero(result.plan) <= n + m - 1


@pytest.mark.parametrize("n", [2, 30, 100])
def test_assignment(n):
    C = np.random.default_rng(n).random((n, n))
    result = exact_transport(None, None, C)
    rows, columns = linear_sum_assignment(C)
    assert result.cost == pytest.approx(C[rows, columns].mean(), rel=1e-12)
    np.testing.assert_array_equal(np.argmax(result.plan, axis=1), columns)
    check_optimal(result, np.full(n, 1 / n), np.full(n, 1 / n), C)


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1), st.booleans())
def test_optimality_with_ties_and_zero_weights(n, m, seed, ties):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, n) + 0.0, rng.integers(0, 4, m) + 0.0
    a[0], b[0] = a[0] + 1, b[0] + 1
    a, b = a / a.sum(), b / b.sum()
    C = rng.integers(0, 4, (n, m)) + 0.0 if ties else rng.random((n, m))
    result = exact_transport(a, b, C)
    assert np.all(result.plan[a == 0] == 0)
    assert np.all(result.plan[:, b == 0] == 0)
    assert np.isfinite(result.f).all()
    assert np.isfinite(result.g).all()
    check_optimal(result, a, b, C)


@pytest.mark.parametrize("mass", [3.0, 1e-9, 1e9])
def test_mass(mass):
    a, b, C = problem(8, 9)
    unit, result = exact_transport(a, b, C), exact_transport(mass * a, mass * b, C)
    assert result.cost == pytest.approx(mass * unit.cost, rel=1e-12)
    np.testing.assert_allclose(result.plan, mass * unit.plan, rtol=1e-10, atol=1e-14 * mass)
    np.testing.assert_allclose(result.f, unit.f, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [1e12, 1e150, 1e300, 1e-9, 1e-20, 1e-150, 1e-290])
def test_scale_of_the_cost(scale):
    a, b, C = problem(30, 40)
    unit, result = exact_transport(a, b, C), exact_transport(a, b, scale * C)
    np.testing.assert_allclose(result.plan, unit.plan, rtol=0, atol=1e-14)
    assert result.cost == pytest.approx(scale * unit.cost, rel=1e-12)
    np.testing.assert_allclose(result.f / scale, unit.f, rtol=0, atol=1e-12)


def test_layouts_and_dtypes():
    C = np.random.default_rng(0).integers(0, 9, (6, 6))
    a = [1, 2, 3, 0, 1, 1]
    expected = exact_transport(np.array(a, float), np.array(a[::-1], float), C.astype(float))
    wide = np.zeros((12, 6))
    wide[::2] = C
    for other in (C, np.asfortranarray(C), wide[::2], C.tolist()):
        result = exact_transport(a, a[::-1], other)
        assert result.cost == pytest.approx(expected.cost, rel=1e-12)
        assert result.plan.dtype == result.f.dtype == np.float64
    single = exact_transport(None, None, C.astype(np.float32))
    assert single.plan.dtype == single.f.dtype == single.g.dtype == np.float32
    assert type(single.cost) is float


def test_read_only_and_unmodified():
    arrays = problem(5, 6)
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    exact_transport(*arrays)
    for array, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copied)


def test_result():
    result = exact_transport(*problem(5, 6))
    assert list(result.asdict()) == ["plan", "cost", "f", "g"]
    assert "ExactTransportResult" in repr(result)
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        np.testing.assert_array_equal(other.plan, result.plan)
    with pytest.raises(AttributeError):
        result.cost = 0.0


def test_too_few_pivots():
    C = np.random.default_rng(0).random((50, 50))
    with pytest.raises(np.linalg.LinAlgError, match="max_iter=1 "):
        exact_transport(None, None, C, max_iter=1)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((None, None, [1.0, 2.0]), "C must be 2-dimensional; got shape"),
        ((None, None, np.ones((0, 3))), "C must be non-empty"),
        (([1.0], None, np.ones((2, 3))), r"a must be of shape \(2,\).*the rows of C; got shape \(1,\)"),
        ((None, [0.5, 0.5], np.ones((2, 3))), r"b must be of shape \(3,\).*the columns of C"),
        (([2.0, -1.0], None, np.ones((2, 3))), "a must be non-negative; got -1.0"),
        (([np.nan, 1.0], None, np.ones((2, 3))), "a must be finite"),
        (([0.0, 0.0], [0.0, 0.0, 0.0], np.ones((2, 3))), "a must be of positive total mass"),
        (
            ([1.0, 1.0], None, np.ones((2, 3))),
            "a and b must have the same total mass; got 2 and 1. Normalise",
        ),
        ((None, None, [[0.0, -1.0]]), "C must be non-negative; got -1.0"),
        ((None, None, [[0.0, np.nan]]), "C must be finite"),
        (([0.0, 1.0], None, [[np.inf], [0.0]]), "C must be finite"),
    ],
)
def test_values(arguments, match):
    with pytest.raises(ValueError, match=match):
        exact_transport(*arguments)


def test_types():
    C = np.ones((2, 3))
    for bad in (C + 1j, C.astype(object), C.astype(np.longdouble), np.full((2, 3), "x")):
        with pytest.raises(TypeError, match="C must be"):
            exact_transport(None, None, bad)
    with pytest.raises(TypeError, match="max_iter must be an integer"):
        exact_transport(None, None, C, max_iter=1.5)
    with pytest.raises(ValueError, match="max_iter must be an integer of at least 1; got 0"):
        exact_transport(None, None, C, max_iter=0)


def test_other_libraries():
    xs = pytest.importorskip("array_api_strict")
    C = np.ones((2, 3))
    with pytest.raises(TypeError, match="must be NumPy arrays; got arrays of array_api_strict"):
        exact_transport(None, None, xs.asarray(C))
    with pytest.raises(TypeError, match="one library"):
        exact_transport(xs.asarray([0.5, 0.5]), None, C)
