"""Estimators that accept arrays of other libraries keep to them, and mix nothing."""

import array_api_compat
import pytest

from tests.common.data import answers, make, table
from tests.common.discovery import declared_array_api
from tests.common.process import run_module

DECLARED = declared_array_api()
LIBRARIES = ["array_api_strict", "torch"]


def convert(xp, array):
    return None if array is None else xp.asarray(array)


def fitted(name, xp):
    estimator = make(DECLARED[name])
    X, y = (convert(xp, array) for array in table(estimator))
    return estimator.fit(X, y), X


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", DECLARED)
def test_namespace_is_preserved(name, library):
    xp = pytest.importorskip(library)
    estimator, X = fitted(name, xp)
    kind = type(X)
    for method, answer in answers(estimator, X).items():
        assert isinstance(answer, kind), f"{method} returned {type(answer)}"
    for attribute, value in vars(estimator).items():
        if attribute.endswith("_") and array_api_compat.is_array_api_obj(value) and value.ndim > 0:
            assert isinstance(value, kind), f"{attribute} is {type(value)}"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", DECLARED)
def test_mixed_namespaces_raise(name, library):
    xp = pytest.importorskip(library)
    estimator, X = fitted(name, xp)
    host, y = table(estimator)
    for method in answers(estimator, X):
        with pytest.raises(TypeError):
            getattr(estimator, method)(host)
    if y is not None:
        with pytest.raises(TypeError):
            make(DECLARED[name]).fit(X, y)
    if hasattr(estimator, "partial_fit"):
        started = make(DECLARED[name]).partial_fit(X)
        with pytest.raises(TypeError):
            started.partial_fit(host)


@pytest.fixture(scope="module")
def scikit_learn_failures():
    """What scikit-learn says itself: only where this variable was set before SciPy was imported."""
    return run_module("tests.common.array_api_checks", SCIPY_ARRAY_API="1")


@pytest.mark.parametrize("name", DECLARED)
def test_scikit_learn_array_api_checks(name, scikit_learn_failures):
    assert not scikit_learn_failures[name]
