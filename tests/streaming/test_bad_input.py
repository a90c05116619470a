"""Wrong input: the exceptions of the contract, with the value and what to do."""

import numpy as np
import pytest
import scipy.sparse as sp

from spectralkit.streaming import (
    StreamingPCA,
    StreamingTopEigenvector,
    frequent_directions,
    top_eigenvector,
    tree_merge,
)

X = np.random.default_rng(0).standard_normal((400, 6))


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"method": "pca"}, "method must be one of .*got 'pca'"),
        ({"n_heavy": -1}, "n_heavy must be an integer of at least 0; got -1"),
        ({"heavy_threshold": 0.0}, "heavy_threshold must be a finite number"),
        ({"heavy_threshold": np.nan}, "heavy_threshold must be a finite number"),
        ({"block_size": 0}, "block_size must be an integer of at least 1; got 0"),
        ({"subspace_dim": 0}, "subspace_dim"),
        ({"sketch_size": 0}, "sketch_size"),
        ({"referee": "yes"}, "referee must be 'auto', True or False; got 'yes'"),
        ({"method": "gram", "referee": True}, "referee must be False unless"),
        ({"memory_limit": 10}, "memory_limit must be at least"),
        ({"method": "gram", "memory_limit": 10}, "memory_limit must be at least"),
    ],
)
def test_parameters(parameters, match):
    with pytest.raises(ValueError, match=match):
        top_eigenvector(X, **parameters)
    with pytest.raises(ValueError, match=match):
        StreamingTopEigenvector(**parameters).fit(X)


WRONG_TYPES = [
    {"n_heavy": 1.5},
    {"referee": 1},
    {"center": "no"},
    {"rng": "x"},
    {"block_size": True},
    {"sketch_size": "8"},
    {"heavy_threshold": "x"},
]


@pytest.mark.parametrize("parameters", WRONG_TYPES)
def test_parameter_types(parameters):
    with pytest.raises(TypeError, match="must be"):
        top_eigenvector(X, **parameters)


@pytest.mark.parametrize("method", ["block_power", "oja_grid"])
def test_one_vector_methods_name_those_that_can(method):
    with pytest.raises(ValueError, match=r"frequent_directions.*gram"):
        StreamingPCA(2, method=method).fit(X)


def test_too_many_components():
    for method in ("auto", "oja", "gram", "frequent_directions"):
        with pytest.raises(ValueError, match="n_components must be at most the number of features, 6; got 7"):
            StreamingPCA(7, method=method).fit(X)
    with pytest.raises(ValueError, match="sketch_size must be at least n_components=4; got 3"):
        StreamingPCA(4, method="frequent_directions", sketch_size=3).fit(X)
    with pytest.raises(ValueError, match="n_components must be an integer of at least 1; got 0"):
        StreamingPCA(0).fit(X)


@pytest.mark.parametrize("empty", [np.empty((0, 3)), iter([]), [np.empty((0, 3))], sp.csr_matrix((0, 3))])
def test_empty_streams(empty):
    with pytest.raises(ValueError, match=r"at least one row|0 sample"):
        top_eigenvector(empty)


def test_empty_table_and_estimator():
    for empty in (np.empty((0, 3)), iter([]), sp.csr_matrix((0, 3))):
        with pytest.raises(ValueError, match=r"at least one row|0 sample"):
            StreamingPCA().fit(empty)


def test_shapes():
    for bad in (np.ones(5), np.ones((2, 3, 4)), 3.0):
        with pytest.raises(ValueError, match="two-dimensional"):
            top_eigenvector(bad)
    with pytest.raises(ValueError, match="two-dimensional"):
        top_eigenvector(iter([np.ones(5)]))
    with pytest.raises(ValueError, match="6 features like the rows before; got"):
        top_eigenvector(iter([X, X[:, :4]]))


def test_dtypes():
    for bad in (X.astype(object), X.astype(np.longdouble), np.array([["a", "b"]])):
        with pytest.raises(TypeError, match="dtype"):
            top_eigenvector(bad)
        with pytest.raises(TypeError, match="dtype"):
            frequent_directions(bad, 3)
    with pytest.raises(ValueError, match="Complex data not supported"):
        StreamingPCA().fit(X + 1j)
    with pytest.raises(ValueError, match="Complex data not supported"):
        StreamingPCA().fit(iter([X + 1j]))
    with pytest.raises(TypeError, match="real like the rows before"):
        top_eigenvector(iter([X, X + 1j]))


def test_mixed_libraries():
    xs = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="array_api_strict"):
        top_eigenvector(iter([X, xs.asarray(X)]))
    with pytest.raises(TypeError, match="array_api_strict"):
        StreamingPCA().partial_fit(X).partial_fit(xs.asarray(X))
    with pytest.raises(TypeError, match="array_api_strict"):
        StreamingPCA().fit(X).transform(xs.asarray(X))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sparse_non_finite(bad):
    S = sp.csr_matrix(np.diag([1.0, 2.0, bad, 4.0]))
    for method in ("oja", "gram", "frequent_directions"):
        with pytest.raises(ValueError, match="finite"):
            top_eigenvector(S, method=method)


def test_error_bound_only_where_there_is_one():
    assert StreamingPCA(method="frequent_directions").fit(X).error_bound_ > 0
    with pytest.raises(AttributeError, match="frequent_directions"):
        _ = StreamingPCA(method="gram").fit(X).error_bound_


def test_auto_says_what_it_chose():
    assert StreamingPCA().fit(X).method_ == "gram"
    wide = np.random.default_rng(0).standard_normal((300, 40))
    tight = StreamingTopEigenvector(memory_limit=2 * 256 * 40 * 8 + 8 * 36 * 40, random_state=0).fit(wide)
    assert tight.method_ == "oja"
    assert tight.state_.referee is None
    judged = StreamingTopEigenvector(referee=True, random_state=0).fit(wide)
    assert judged.state_.referee is not None
    assert judged.method_ in ("oja", "incremental_svd", "frequent_directions", "oja_grid")


def test_inputs_are_not_modified():
    A = X * 1e200
    before = A.copy()
    for method in ("oja", "gram", "frequent_directions", "oja_grid", "block_power"):
        top_eigenvector(A, method=method, center=True)
        np.testing.assert_array_equal(A, before)


def test_flags_and_seeds_of_estimators():
    assert StreamingPCA(1, method="oja", referee=np.True_).fit(X).state_.config.referee is True
    for wrong in ({"center": "no"}, {"referee": 1}, {"random_state": 1.5}):
        with pytest.raises(TypeError, match="must be"):
            StreamingPCA(2, **wrong).fit(X)
    with pytest.raises(ValueError, match="random_state must be"):
        StreamingPCA(2, random_state=-1).fit(X)


@pytest.mark.parametrize("bad", [0, -1])
def test_block_size_is_checked_first(bad):
    with pytest.raises(ValueError, match="block_size must be"):
        frequent_directions(X, 3, block_size=bad)
    with pytest.raises(ValueError, match="block_size must be"):
        StreamingPCA(2, block_size=bad).fit(iter([X]))


def test_masked_arrays_and_no_columns():
    with pytest.raises(TypeError, match="without a mask"):
        top_eigenvector(np.ma.masked_greater(X, 1))
    with pytest.raises(ValueError, match="at least one feature"):
        top_eigenvector(np.empty((5, 0)))


def test_tree_merge_of_other_things():
    for wrong in ([1, 2], [StreamingPCA().fit(X), StreamingPCA().fit(X).state_]):
        with pytest.raises(TypeError, match="states must be"):
            tree_merge(wrong)
