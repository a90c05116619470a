"""The regressor and the transformer."""

import pickle

import array_api_strict
import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from spectralkit.structured import Butterfly, ButterflyRegressor, ButterflyTransformer
from tests.structured import reference
from tests.structured.reference import relative, twiddles

KINDS = ("dft", "idft", "dct", "dst", "hadamard", "hartley")
rng = np.random.default_rng(0)
X = rng.standard_normal((60, 16))
H = scipy.linalg.hadamard(16)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_hidden_transform(fit_intercept):
    offset = rng.standard_normal(16) if fit_intercept else np.zeros(16)
    Y = X @ H.T + offset
    model = ButterflyRegressor(fit_intercept=fit_intercept).fit(X, Y)
    new = rng.standard_normal((10, 16))
    assert model.score(new, new @ H.T + offset) == pytest.approx(1, abs=1e-12)
    assert relative(model.predict(new), new @ H.T + offset) < 1e-10
    assert relative(model.operator_.to_dense(), H) < 1e-10
    np.testing.assert_allclose(model.intercept_, offset, atol=1e-9)
    assert model.residual_ < 1e-10


def test_no_intercept_no_offset():
    Y = X @ H.T + 5.0
    model = ButterflyRegressor(fit_intercept=False).fit(X, Y)
    np.testing.assert_array_equal(model.intercept_, np.zeros(16))
    np.testing.assert_array_equal(model.predict(np.zeros((1, 16))), np.zeros((1, 16)))
    assert model.residual_ > 0.1


def test_permutation_and_blocks_are_handed_on():
    order = np.random.default_rng(3).permutation(8)
    Z = X[:, :8]
    Y = Z @ reference.dense(twiddles(rng, 8), order).T
    assert ButterflyRegressor(permutation=order).fit(Z, Y).residual_ < 1e-10
    assert ButterflyRegressor(permutation=None).fit(Z, Y).residual_ > 1e-3
    assert len(ButterflyRegressor(n_blocks=2, tol=0.9).fit(Z, Y).operator_.factors) == 2
    one, two = (ButterflyRegressor(init="random", random_state=7).fit(Z, Y).operator_ for _ in range(2))
    assert one.to_dense().tobytes() == two.to_dense().tobytes()


@pytest.mark.parametrize(("features", "targets", "size"), [(11, 3, 16), (3, 9, 16), (1, 1, 2), (5, 8, 8)])
def test_padding(features, targets, size):
    Z = X[:, :features]
    Y = Z @ rng.standard_normal((features, targets)) + 2.0
    model = ButterflyRegressor().fit(Z, Y)
    assert model.operator_.shape == (size, size)
    assert model.n_features_in_ == features
    predicted = model.predict(Z)
    assert predicted.shape == Y.shape
    # The residual is that of padded targets, relative to centred ones.
    centred = np.linalg.norm(Y - Y.mean(axis=0))
    assert np.linalg.norm(predicted - Y) <= (model.residual_ * (1 + 1e-9) + 1e-13) * centred
    np.testing.assert_allclose(predicted.mean(axis=0), Y.mean(axis=0), rtol=1e-10)


def test_padded_map_is_learned():
    W = reference.dense(twiddles(rng, 8))
    Z = X[:, :8].copy()
    Z[:, 6:] = 0.0
    Y = Z @ W.T
    model = ButterflyRegressor(permutation=None).fit(Z[:, :6], Y)
    assert model.score(Z[:, :6], Y) == pytest.approx(1, abs=1e-6)


def test_one_target():
    Z, y = X[:, :4], X[:, :4] @ [1.0, -2.0, 3.0, 0.5] + 4.0
    vector = ButterflyRegressor().fit(Z, y)
    assert vector.predict(Z).shape == (60,)
    assert isinstance(vector.intercept_, float)
    assert vector.score(Z, y) == pytest.approx(1)
    assert vector.intercept_ == pytest.approx(4.0)
    column = ButterflyRegressor().fit(Z, y[:, None])
    assert column.predict(Z).shape == (60, 1)
    np.testing.assert_allclose(column.predict(Z)[:, 0], vector.predict(Z))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_dtype_of_predictions(dtype):
    Z = (10 * X).astype(dtype)
    model = ButterflyRegressor().fit(Z, Z @ H.T)
    assert model.predict(Z).dtype == ("float32" if dtype == "float32" else "float64")
    assert relative(model.predict(Z), Z @ H.T) < 1e-6


def test_warning_and_iterations():
    Y = X @ rng.standard_normal((16, 16))
    with pytest.warns(ConvergenceWarning, match="Raise max_iter"):
        model = ButterflyRegressor(max_iter=2).fit(X, Y)
    assert model.n_iter_ == 2
    assert ButterflyRegressor(tol=0.99).fit(X, Y).n_iter_ == 0


def test_in_scikit_learn():
    Y = X @ H.T
    pipeline = make_pipeline(FunctionTransformer(), ButterflyRegressor())
    assert np.min(cross_val_score(pipeline, X, Y)) == pytest.approx(1)
    model = pickle.loads(pickle.dumps(ButterflyRegressor().fit(X, Y)))
    np.testing.assert_array_equal(model.predict(X), ButterflyRegressor().fit(X, Y).predict(X))
    other = clone(ButterflyRegressor(n_blocks=2, tol=1e-3))
    assert (other.n_blocks, other.tol) == (2, 1e-3)
    with pytest.raises(NotFittedError):
        other.predict(X)


def test_failed_fit_leaves_no_trace():
    model = ButterflyRegressor().fit(X, X @ H.T)
    before = model.predict(X)
    with pytest.raises(ValueError, match="init must be one of"):
        model.set_params(init="ones").fit(X[:, :8], X)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"n_blocks": 0}, ValueError, "n_blocks must be an integer of at least 1; got 0"),
        ({"n_blocks": 1.5}, TypeError, "n_blocks must be an integer; got 1.5"),
        (
            {"permutation": "worst"},
            ValueError,
            "permutation must be one of 'best', 'bitrev'; got 'worst'",
        ),
        ({"permutation": np.arange(8)}, ValueError, "permutation must be a permutation of 0, ..., 15"),
        ({"fit_intercept": 1}, TypeError, "fit_intercept must be True or False; got 1"),
        ({"init": "ones"}, ValueError, "init must be one of 'factorize', 'random'"),
        ({"max_iter": -1}, ValueError, "max_iter must be an integer of at least 0; got -1"),
        ({"tol": -1.0}, ValueError, r"tol must be a finite number in \[0, inf\]; got -1.0"),
        ({"random_state": "a"}, TypeError, "random_state must be None"),
    ],
)
def test_bad_parameters(parameters, error, match):
    with pytest.raises(error, match=match):
        ButterflyRegressor(**parameters).fit(X, X)


# The transformer.

EXPECTED = {
    "dft": np.fft.fft,
    "idft": np.fft.ifft,
    "dct": lambda X: scipy.fft.dct(X),
    "dst": lambda X: scipy.fft.dst(X),
    "hadamard": lambda X: X @ scipy.linalg.hadamard(X.shape[1]),
    "hartley": lambda X: np.fft.fft(X).real - np.fft.fft(X).imag,
}


@pytest.mark.parametrize("n", [1, 2, 16, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_transforms_and_back(kind, n):
    Z = rng.standard_normal((20, n))
    transformer = ButterflyTransformer(kind).fit(Z)
    found = transformer.transform(Z)
    assert isinstance(transformer.operator_, Butterfly)
    assert relative(found, EXPECTED[kind](Z)) < 1e-14
    back = transformer.inverse_transform(found)
    assert back.dtype == np.float64
    assert relative(back, Z) < 1e-14
    np.testing.assert_array_equal(ButterflyTransformer(kind).fit_transform(Z), found)


@pytest.mark.parametrize("kind", KINDS)
def test_dtypes_of_transforms(kind):
    transformer = ButterflyTransformer(kind).fit(X)
    single = transformer.transform(X.astype(np.float32))
    assert single.dtype == (np.complex64 if "dft" in kind else np.float32)
    assert transformer.inverse_transform(single).dtype == np.float32
    assert relative(transformer.inverse_transform(single), X) < 1e-6
    integers = np.eye(16, dtype=int)[:3]
    expected = transformer.inverse_transform(integers + 0.0)
    np.testing.assert_array_equal(transformer.inverse_transform(integers), expected)


def test_names():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X[:, :4], columns=list("abcd"))
    transformer = ButterflyTransformer("dct").set_output(transform="pandas").fit(table)
    assert list(transformer.feature_names_in_) == list("abcd")
    names = [f"butterflytransformer{i}" for i in range(4)]
    assert list(transformer.get_feature_names_out()) == names
    found = transformer.transform(table)
    assert list(found.columns) == names
    assert relative(transformer.inverse_transform(found), table.to_numpy()) < 1e-14


def test_transformer_in_scikit_learn():
    transformer = ButterflyTransformer("hartley")
    assert clone(transformer).kind == "hartley"
    with pytest.raises(NotFittedError):
        transformer.transform(X)
    with pytest.raises(NotFittedError):
        transformer.inverse_transform(X)
    transformer.fit(X)
    other = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(other.transform(X), transformer.transform(X))
    assert transformer.n_features_in_ == 16


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda t: t.fit(X[:, :12]), "must be a power of two; got 12. Pad it with zeros to 16"),
        (lambda t: t.set_params(kind="dwt").fit(X), "kind must be one of 'dft', .*; got 'dwt'"),
        (lambda t: t.set_params(kind=None).fit(X), "kind must be one of 'dft', .*; got None"),
        (lambda t: t.fit(np.full((2, 4), np.nan)), "NaN"),
        (lambda t: t.fit(X + 1j), "Complex data not supported"),
        (
            lambda t: t.fit(X).transform(X[:, :8]),
            "X has 8 features, but ButterflyTransformer is expecting 16",
        ),
        (
            lambda t: t.fit(X).inverse_transform(X[:, :8]),
            r"X must be of shape \(n_samples, 16\); .* \(60, 8\)",
        ),
        (lambda t: t.fit(X).inverse_transform(X[0]), r"X must be of shape \(n_samples, 16\); .* \(16,\)"),
        (lambda t: t.fit(X).inverse_transform(X * np.inf), "X must be finite"),
    ],
)
def test_bad_input_of_the_transformer(call, match):
    with pytest.raises(ValueError, match=match):
        call(ButterflyTransformer())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda r: r.fit(X, X[:10]), "inconsistent numbers of samples"),
        (lambda r: r.fit(X * np.nan, X), "NaN"),
        (lambda r: r.fit(X, np.where(X[3, 3] == X, np.inf, X)), "infinity"),
        (lambda r: r.fit(X + 1j, X), "Complex data not supported"),
        (
            lambda r: r.fit(X, X).predict(X[:, :8]),
            "X has 8 features, but ButterflyRegressor is expecting 16",
        ),
    ],
)
def test_bad_input_of_the_regressor(call, match):
    with pytest.raises(ValueError, match=match):
        call(ButterflyRegressor())


def test_inverse_of_the_kind_that_was_fitted():
    X = np.random.default_rng(0).standard_normal((3, 8))
    transformer = ButterflyTransformer("dct").fit(X)
    Z = transformer.transform(X)
    np.testing.assert_allclose(transformer.set_params(kind="idft").inverse_transform(Z), X, atol=1e-14)


def test_inverse_of_complex_numbers_where_transforms_are_real():
    transformer = ButterflyTransformer("dct").fit(np.ones((2, 8)))
    with pytest.raises(ValueError, match="X must be real for kind='dct'; got dtype complex128"):
        transformer.inverse_transform(np.ones((2, 8)) + 1j)


def test_inverse_of_an_array_of_another_library():
    transformer = ButterflyTransformer("dct").fit(np.ones((2, 8)))
    with pytest.raises(TypeError, match="X must be a NumPy array; got an array of array_api_strict"):
        transformer.inverse_transform(array_api_strict.ones((2, 8)))


def test_a_mean_that_overflows_is_named():
    with pytest.raises(ValueError, match="X must be small enough"):
        ButterflyRegressor().fit(np.full((5, 4), 1.7e308), np.arange(5.0))
