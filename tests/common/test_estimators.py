"""Every public estimator behaves as scikit-learn's do."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from spectralkit.testing import expected_failed_checks
from tests.common.data import OUTPUTS, answers, digest, make, table
from tests.common.discovery import estimator_classes, examples, is_table, run_example, table_estimators

ESTIMATORS = estimator_classes()
TABLES = table_estimators()
OTHERS = {name: cls for name, cls in ESTIMATORS.items() if name not in TABLES}


# Small or sorted tables are meant to draw warnings; numerical warnings stay errors.
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks([cls() for cls in TABLES.values()], expected_failed_checks=expected_failed_checks)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_at_most_ten_expected_failures():
    expected = {name: expected_failed_checks(cls()) for name, cls in ESTIMATORS.items()}
    assert sum(map(len, expected.values())) <= 10
    for name, checks in expected.items():
        for check, reason in checks.items():
            assert len(reason.split()) > 3, f"{name}: the failure of {check} needs a reason"


@pytest.mark.parametrize("name", ESTIMATORS)
def test_checks_that_fit_any_input(name):
    cls = ESTIMATORS[name]
    estimator_checks.check_parameters_default_constructible(cls.__name__, cls())
    for check in (
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_mixin_order,
    ):
        check(cls.__name__, cls())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_constructor_only_stores(name):
    cls = ESTIMATORS[name]
    given = {parameter: object() for parameter in inspect.signature(cls).parameters}
    stored = vars(cls(**given))
    assert stored.keys() == given.keys()
    assert all(stored[parameter] is given[parameter] for parameter in given)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_not_fitted(name):
    estimator = ESTIMATORS[name]()
    if not get_tags(estimator).requires_fit:
        pytest.skip("works without fit")
    for method in (*OUTPUTS, "inverse_transform", "score"):
        if hasattr(estimator, method):
            function = getattr(estimator, method)
            required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
            positional = [p for p in required if p.kind is p.POSITIONAL_OR_KEYWORD]
            with pytest.raises(NotFittedError):
                function(*(np.zeros((2, 2)) for _ in positional))


def fitted(name):
    """Return a fitted instance: of a table, or else the one that the class's own example fits."""
    cls = ESTIMATORS[name]
    if name in TABLES:
        estimator = make(cls)
        return estimator.fit(*table(estimator))
    for test in examples(name):
        run_example(test, clear_globs=False)
        for value in test.globs.values():
            if type(value) is cls:
                check_is_fitted(value)
                return value
    raise AssertionError(f"the example of {name} fits no instance under a name")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_pickle_and_copy(name):
    unfitted, estimator = ESTIMATORS[name](), fitted(name)
    for original in (unfitted, estimator):
        before = digest(original)
        for other in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
            assert digest(other) == before
    if name in TABLES:
        X, _ = table(estimator)
        assert digest(answers(pickle.loads(pickle.dumps(estimator)), X)) == digest(answers(estimator, X))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_clone_forgets_the_fit(name):
    estimator = fitted(name)
    other = clone(estimator)
    assert digest(other.get_params()) == digest(clone(estimator).get_params())
    assert vars(other).keys() == inspect.signature(type(estimator)).parameters.keys()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TABLES)
def test_dtype_is_preserved(name, dtype):
    estimator = make(TABLES[name])
    X, y = table(estimator, dtype)
    for method, answer in answers(estimator.fit(X, y), X).items():
        if np.issubdtype(np.asarray(answer).dtype, np.floating):
            assert answer.dtype == dtype, method


LAYOUTS = {
    "read-only": lambda X: X,
    "Fortran": np.asfortranarray,
    "negative strides": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TABLES)
def test_layout_does_not_matter(name, layout):
    estimator = make(TABLES[name])
    X, y = table(estimator)
    expected = answers(estimator.fit(X, y), X)
    other = LAYOUTS[layout](X)
    other.flags.writeable = False
    found = answers(make(TABLES[name]).fit(other, y), other)
    for method, answer in expected.items():
        # The same numbers in another order of summation, so equal up to rounding and its amplification.
        np.testing.assert_allclose(found[method], answer, rtol=1e-7, atol=1e-7 * np.abs(answer).max())


@pytest.mark.parametrize("name", TABLES)
def test_input_is_not_modified(name):
    estimator = make(TABLES[name])
    X, y = table(estimator)
    before = digest([X, y])
    answers(estimator.fit(X, y), X)
    assert digest([X, y]) == before


@pytest.mark.parametrize("name", OTHERS)
def test_input_is_declared(name):
    estimator = OTHERS[name]()
    tags = get_tags(estimator)
    assert not is_table(estimator)
    assert tags._skip_test or not tags.input_tags.two_d_array
