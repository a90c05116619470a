"""Wrong input to everything in the family: the exceptions, with the value and what to do."""

import warnings

import numpy as np
import pytest

from spectralkit.nonnormal import (
    PseudospectrumDisplay,
    eigenvalue_condition,
    kreiss_constant,
    numerical_abscissa,
    perturb_then_diagonalize,
    pseudospectral_abscissa,
    pseudospectrum,
)
from tests.nonnormal.reference import gaussian, jordan

A = gaussian(4)


def changed(value, index=0, dtype=float):
    array = A.astype(dtype)
    array.flat[index] = value
    return array


FUNCTIONS = {
    "perturb_then_diagonalize": perturb_then_diagonalize,
    "pseudospectrum": lambda A: pseudospectrum(A, 1.0),
    "eigenvalue_condition": eigenvalue_condition,
    "numerical_abscissa": numerical_abscissa,
    "pseudospectral_abscissa": lambda A: pseudospectral_abscissa(A, 0.1),
    "kreiss_constant": kreiss_constant,
    "PseudospectrumDisplay": PseudospectrumDisplay.from_matrix,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (A[:3], ValueError, r"A must be square; got shape \(3, 4\)"),
        (A[0], ValueError, r"A must be square; got shape \(4,\)"),
        (A[None], ValueError, r"A must be square; got shape \(1, 4, 4\)"),
        (2.0, ValueError, r"A must be square; got shape \(\)"),
        (A[:0, :0], ValueError, r"A must be non-empty; got shape \(0, 0\)"),
        (A[:0], ValueError, r"A must be square; got shape \(0, 4\)"),
        ([[1.0, 2.0], [3.0]], ValueError, "A must be an array of numbers; got rows of different lengths"),
        (changed(np.nan), ValueError, "A must be finite; got NaN or infinity"),
        (changed(np.inf, 5), ValueError, "A must be finite"),
        (changed(-np.inf, -1), ValueError, "A must be finite"),
        (changed(complex(0.0, np.nan), 3, complex), ValueError, "A must be finite"),
        (changed(complex(np.inf, 0.0), 3, complex), ValueError, "A must be finite"),
        (A.astype(object), TypeError, r"A must be of .*; got dtype object\. Convert it with astype"),
        (A.astype(np.longdouble), TypeError, "A must be of .*; got dtype"),
        (A.astype("U8"), TypeError, "A must be of .*; got dtype"),
        ("matrix", TypeError, "A must be of .*; got dtype"),
        (None, TypeError, "A must be of .*; got dtype object"),
    ],
)
def test_matrix(function, value, error, match):
    with pytest.raises(error, match=match):
        function(value)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(function, library):
    xp = pytest.importorskip(library)
    with pytest.raises(
        TypeError, match=f"A must be a NumPy array; got an array of {library}. Copy it to the host"
    ):
        function(xp.asarray(A))


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_points_of_other_libraries(library):
    xp = pytest.importorskip(library)
    with pytest.raises(TypeError, match=f"z must be a NumPy array; got an array of {library}"):
        pseudospectrum(A, xp.asarray([1.0, 2.0]))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"eps": 0}, ValueError, r"eps must be a finite number in \(0, inf\]; got 0.0. It is relative"),
        ({"eps": -0.1}, ValueError, r"eps must be .*; got -0.1"),
        ({"eps": np.nan}, ValueError, "eps must be .*; got nan"),
        ({"eps": np.inf}, ValueError, "eps must be .*; got inf"),
        ({"eps": "large"}, ValueError, "eps must be one of 'auto'; got 'large'"),
        ({"eps": None}, TypeError, "eps must be a number; got None. It is relative to the norm of A"),
        ({"eps": True}, TypeError, "eps must be a number; got True"),
        ({"eps": 0.1j}, TypeError, "eps must be a number; got 0.1j"),
        ({"eps": np.array([0.1])}, TypeError, "eps must be a number"),
        ({"method": "best"}, ValueError, "method must be one of 'random', 'optimize'; got 'best'"),
        ({"method": None}, ValueError, "method must be one of"),
        ({"structure": "real"}, ValueError, "structure must be one of 'none', 'skew', 'auto'; got"),
        ({"structure": None}, ValueError, "structure must be one of"),
        ({"n_trials": 0}, ValueError, "n_trials must be an integer of at least 1; got 0"),
        ({"n_trials": -3}, ValueError, "n_trials must be an integer of at least 1; got -3"),
        ({"n_trials": 2.0}, TypeError, "n_trials must be an integer; got 2"),
        ({"n_trials": True}, TypeError, "n_trials must be an integer; got True"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer of at least 1; got 0"),
        ({"max_iter": "10"}, TypeError, "max_iter must be an integer; got '10'"),
        (
            {"rng": -1},
            ValueError,
            "rng must be None, a non-negative integer or a numpy.random.Generator; got -1",
        ),
        ({"rng": 1.5}, TypeError, "rng must be None, a non-negative integer or a numpy.random.Generator"),
        ({"rng": "0"}, TypeError, "rng must be None"),
    ],
)
def test_options_of_diagonalization(options, error, match):
    # Checked before anything is computed, so for normal matrices as well.
    for matrix in (A, np.eye(3)):
        with pytest.raises(error, match=match):
            perturb_then_diagonalize(matrix, **options)


def test_options_are_keywords():
    with pytest.raises(TypeError, match="positional argument"):
        perturb_then_diagonalize(A, 0.1, "random")
    with pytest.raises(TypeError, match="positional argument"):
        pseudospectrum(A, 1.0, 1e-3)


@pytest.mark.parametrize(
    ("z", "error", "match"),
    [
        (np.nan, ValueError, "z must be finite; got NaN or infinity"),
        ([1.0, np.inf], ValueError, "z must be finite"),
        ([[0.0, complex(0.0, -np.inf)]], ValueError, "z must be finite"),
        ("1", TypeError, "z must be numeric; got dtype .*. Give real or complex numbers"),
        (["1", "2j"], TypeError, "z must be numeric"),
        (None, TypeError, "z must be numeric; got dtype object"),
        (object(), TypeError, "z must be numeric"),
        ([[1.0], [1.0, 2.0]], ValueError, "z must be an array of numbers; got rows of different lengths"),
    ],
)
def test_points(z, error, match):
    result = perturb_then_diagonalize(A, 0.1, rng=0)
    for call in (lambda: pseudospectrum(A, z), lambda: result.resolvent(z)):
        with pytest.raises(error, match=match):
            call()


@pytest.mark.parametrize(
    ("tol", "error"),
    [
        (0.0, ValueError),
        (1.0, ValueError),
        (-1e-6, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        ("1e-6", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_tolerance(tol, error):
    match = (
        r"tol must be a finite number in \(0, 1\); got"
        if error is ValueError
        else "tol must be a number; got"
    )
    with pytest.raises(error, match=match):
        pseudospectrum(A, 1.0, tol=tol)


@pytest.mark.parametrize(
    ("eps", "error"),
    [
        (0.0, ValueError),
        (-1.0, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        ("auto", TypeError),
        (None, TypeError),
        (1j, TypeError),
        (False, TypeError),
    ],
)
def test_radius_of_the_pseudospectrum(eps, error):
    match = r"eps must be a finite number in \(0, inf\]"
    match = match if error is ValueError else "eps must be a number"
    with pytest.raises(error, match=match + "; got .* It is absolute, in the units of A"):
        pseudospectral_abscissa(A, eps)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda r: r.power("2"), TypeError, "exponent must be a number; got '2'"),
        (lambda r: r.power(None), TypeError, "exponent must be a number"),
        (lambda r: r.power(np.nan), ValueError, "exponent must be a finite number"),
        (lambda r: r.exponential(1j), TypeError, "t must be a number; got 1j"),
        (lambda r: r.exponential(np.inf), ValueError, "t must be a finite number"),
        (lambda r: r.resolvent([1.0, 2.0]), ValueError, r"z must be one number; got shape \(2,\)"),
        (
            lambda r: r.apply(len),
            ValueError,
            r"function must be one that maps shape \(4,\) to itself; got shape \(\)",
        ),
        (lambda r: r.apply(3), TypeError, "not callable"),
    ],
)
def test_functions_of_the_result(call, error, match):
    with pytest.raises(error, match=match):
        call(perturb_then_diagonalize(A, 0.1, rng=0))


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(
    "value", [jordan(3).astype(int), np.eye(2, dtype=bool), jordan(3).astype("f2"), [[1, 2], [3j, 4]]]
)
def test_other_numbers_are_converted(function, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(value)


def test_numbers_out_of_range():
    large = np.eye(4, k=1) * 1e308
    with pytest.raises(ValueError, match="A must be of a norm that leaves room for a grid"):
        PseudospectrumDisplay.from_matrix(large)
    with pytest.raises(ValueError, match="bounds must be of differences that do not overflow"):
        PseudospectrumDisplay.from_matrix(A, bounds=(-1e308, 1e308, 0.0, 1.0))
    with pytest.raises(ValueError, match="A must be of a norm that does not overflow"):
        perturb_then_diagonalize(np.full((4, 4), 1e308))
    with pytest.raises(ValueError, match="A must be of a norm that does not overflow"):
        perturb_then_diagonalize(np.eye(4, k=1, dtype=np.float32) * np.float32(3e38), 0.5)
    for eps in (1.7e308, 1e200):
        with pytest.raises(ValueError, match=r"eps must be at most 1e\+100"):
            perturb_then_diagonalize(A, eps)
    # The modulus overflows, the real part does not.
    assert numerical_abscissa([[1.7e308 + 1.7e308j]]) == pytest.approx(1.7e308)


def test_functions_that_are_not_finite():
    singular = perturb_then_diagonalize(np.diag([0.0, 1.0]))
    with pytest.raises(np.linalg.LinAlgError, match="the power -1 has a pole"):
        singular.power(-1)
    with pytest.raises(np.linalg.LinAlgError, match="the exponential at t=1000 overflows"):
        singular.exponential(1000.0)
