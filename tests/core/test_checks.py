import math

import numpy as np
import pytest

from spectralkit._core.checks import (
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)


@pytest.mark.parametrize(
    ("value", "remedy", "message"),
    [
        (-1, "", "k must be positive; got -1."),
        ("oya", "Try 'oja'.", "k must be positive; got 'oya'. Try 'oja'."),
        ("shape (3,)", "", "k must be positive; got shape (3,)."),
        ("dtype object", "", "k must be positive; got dtype object."),
    ],
)
def test_message(value, remedy, message):
    assert invalid("k", "positive", value, remedy) == message


def test_option():
    check_option("method", "gram", ("oja", "gram"))
    for wrong in ("g", None, 1, ["gram"]):
        with pytest.raises(ValueError, match=r"^method must be one of 'oja', 'gram'; got "):
            check_option("method", wrong, ("oja", "gram"))


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3)])
def test_integer(value):
    found = check_integer("k", value, 1, 5)
    assert found == 3
    assert type(found) is int


@pytest.mark.parametrize("value", [True, 3.0, "3", None, np.float64(3)])
def test_integer_type(value):
    with pytest.raises(TypeError, match=r"^k must be an integer; got "):
        check_integer("k", value, 1)


def test_integer_bounds():
    with pytest.raises(ValueError, match=r"^k must be an integer of at least 1; got 0\. Add rows\.$"):
        check_integer("k", 0, 1, remedy="Add rows.")
    with pytest.raises(ValueError, match=r"^k must be an integer between 1 and 5; got 6\.$"):
        check_integer("k", 6, 1, 5)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_number(value):
    found = check_number("tol", value, 0, 1)
    assert found == 1.0
    assert type(found) is float


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1, 1.1])
def test_number_outside(value):
    with pytest.raises(ValueError, match=r"^tol must be a finite number in \[0, 1\]; got "):
        check_number("tol", value, 0, 1)


def test_number_open_ends():
    assert check_number("tol", 0.5, 0, 1, open_low=True, open_high=True) == 0.5
    with pytest.raises(ValueError, match=r"in \(0, 1\]"):
        check_number("tol", 0, 0, 1, open_low=True)
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        check_number("tol", 1, 0, 1, open_high=True)


@pytest.mark.parametrize("value", [True, "1", None, 1j])
def test_number_type(value):
    with pytest.raises(TypeError, match=r"^tol must be a number; got "):
        check_number("tol", value)


def test_not_converged():
    from sklearn.exceptions import ConvergenceWarning

    def public():
        warn_not_converged("sinkhorn", 0.0123456, 1e-9, "Increase max_iter.")

    message = r"^sinkhorn did not converge: reached 0\.0123, tolerance 1e-09\. Increase max_iter\.$"
    with pytest.warns(ConvergenceWarning, match=message) as record:
        public()
    assert record[0].filename == __file__  # points at the caller of the public function
