"""The estimator: tables and lists of factors, predictions with their spread, refits."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ARDRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from spectralkit.datasets import make_kronecker_sparse
from spectralkit.recovery import KroneckerSBL, kronecker_matvec, kronecker_sbl

from .reference import kron

SHAPES = ((8, 12), (10, 15))


def problem(seed=0, **options):
    return make_kronecker_sparse(options.pop("shapes", SHAPES), 2, rng=seed, **options)


def fresh(seed=1, is_complex=False, rows=(3, 4)):
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal((m, n)) for m, (_, n) in zip(rows, SHAPES, strict=True)]
    return [factor + 1j * rng.standard_normal(factor.shape) if is_complex else factor for factor in factors]


def table(n=60, d=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, 2 * X[:, 1] - 3 * X[:, 5] + 0.3 * rng.standard_normal(n)


def check_fitted(model, result):
    np.testing.assert_array_equal(model.coef_, result.coef.T)
    np.testing.assert_array_equal(model.coef_var_, result.coef_var)
    np.testing.assert_array_equal(model.support_, result.support)
    for gamma, expected in zip(model.gammas_, result.gammas, strict=True):
        np.testing.assert_array_equal(gamma, expected)
    assert model.noise_var_ == result.noise_var
    assert model.neg_log_evidence_ == result.neg_log_evidence
    assert model.n_iter_ == result.n_iter
    assert model.converged_ == result.converged
    assert model.intercept_ == 0.0


def dense_std(model, design, rows):
    """Return standard deviations of predictions from the whole posterior covariance."""
    gamma = kron([np.asarray(g) for g in model.gammas_])
    C = (design * gamma) @ design.conj().T + model.noise_var_ * np.eye(len(design))
    covariance = np.diag(gamma) - (design * gamma).conj().T @ np.linalg.solve(C, design * gamma)
    spread = np.einsum("ij,jk,ik->i", rows, covariance, rows.conj()).real
    return np.sqrt(model.noise_var_ + spread)


# What is fitted


@pytest.mark.parametrize("form", ["vector", "columns", "tensor"])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("options", [{}, {"method": "am", "noise_var": 0.05, "prune": 1e-2, "max_iter": 999}])
def test_a_list_is_the_function(options, is_complex, form):
    made = problem(dtype=complex if is_complex else float, n_snapshots=3 if form == "columns" else None)
    Y = made.Y.reshape(8, 10) if form == "tensor" else made.Y
    model = KroneckerSBL(**options).fit(made.dictionaries, Y)
    check_fitted(model, kronecker_sbl(Y, made.dictionaries, **options))
    assert model.n_features_in_ == 180
    assert model.coef_.shape == ((3, 180) if form == "columns" else (180,))
    new = fresh(is_complex=is_complex)
    mean, std = model.predict(new, return_std=True)
    shape = {"vector": (12,), "columns": (12, 3), "tensor": (3, 4)}[form]
    assert mean.shape == shape
    assert std.shape == ((12,) if form == "columns" else shape)
    np.testing.assert_array_equal(model.predict(new), mean)
    expected = kronecker_matvec(new, model.coef_.T)
    np.testing.assert_allclose(mean, expected.reshape(shape), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(std.ravel(), dense_std(model, kron(made.dictionaries), kron(new)), rtol=1e-8)
    np.testing.assert_allclose(model.predict(tuple(new)), mean)


@pytest.mark.parametrize("shape", [(60, 8), (20, 30)])
def test_a_table_is_the_function(shape):
    X, y = table(*shape)
    model = KroneckerSBL().fit(X, y)
    check_fitted(model, kronecker_sbl(y, X))
    assert model.n_features_in_ == shape[1]
    rows = np.random.default_rng(1).standard_normal((5, shape[1]))
    mean, std = model.predict(rows, return_std=True)
    np.testing.assert_allclose(mean, rows @ model.coef_, rtol=1e-12)
    np.testing.assert_allclose(std, dense_std(model, X, rows), rtol=1e-8)
    listed = KroneckerSBL().fit([X], y)
    np.testing.assert_array_equal(listed.coef_, model.coef_)
    np.testing.assert_allclose(listed.predict([rows]), mean)
    rows_of_a_table = KroneckerSBL().fit(X.tolist(), y.tolist())
    np.testing.assert_array_equal(rows_of_a_table.coef_, model.coef_)


def test_columns_of_targets():
    X, y = table()
    Y = np.stack([y, -2 * y], axis=1)
    model = KroneckerSBL().fit(X, Y)
    check_fitted(model, kronecker_sbl(Y, X))
    assert model.predict(X).shape == (60, 2)
    mean, std = model.predict(X[:5], return_std=True)
    assert mean.shape == (5, 2)
    assert std.shape == (5,)
    single = KroneckerSBL().fit(X, y[:, None])
    assert single.coef_.shape == (1, 8)
    assert single.predict(X).shape == (60, 1)


def test_square_targets_are_columns():
    """A list of one matrix with as many columns of targets as rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 3))
    Y = X @ rng.standard_normal((3, 5))
    model = KroneckerSBL().fit([X], Y)
    assert model.coef_.shape == (5, 3)
    assert model.predict([X]).shape == (5, 5)


def test_spread_covers_new_measurements():
    """Standardised errors of new measurements have variance one."""
    rng = np.random.default_rng(0)
    errors = []
    for seed in range(10):
        made = problem(seed, snr=10, shapes=((12, 8), (14, 9)))
        model = KroneckerSBL().fit(made.dictionaries, made.Y)
        new = [rng.standard_normal((5, n)) for n in (8, 9)]
        mean, std = model.predict(new, return_std=True)
        truth = kron(new) @ made.coef + np.sqrt(made.noise_var) * rng.standard_normal(25)
        errors.append((truth - mean) / std)
    assert 0.7 < np.std(errors) < 1.3


# Intercept


@pytest.mark.parametrize("columns", [None, 2])
def test_intercept(columns):
    X, y = table()
    y = y if columns is None else np.stack([y, 2 * y], axis=1)
    shift = 7.0 if columns is None else np.array([7.0, -3.0])
    model = KroneckerSBL(fit_intercept=True).fit(X + 4.0, y + shift)
    centred = KroneckerSBL().fit(X - X.mean(axis=0), y - y.mean(axis=0))
    np.testing.assert_allclose(model.coef_, centred.coef_, rtol=1e-8)
    mean, std = model.predict(X + 4.0, return_std=True)
    expected, spread = centred.predict(X - X.mean(axis=0), return_std=True)
    np.testing.assert_allclose(mean, expected + y.mean(axis=0) + shift, rtol=1e-8)
    np.testing.assert_allclose(std**2 - spread**2, model.noise_var_ / 60, rtol=1e-6)
    np.testing.assert_allclose((X + 4.0) @ model.coef_.T + model.intercept_, mean, rtol=1e-8)
    if columns is None:
        assert isinstance(model.intercept_, float)
    else:
        assert model.intercept_.shape == (2,)


def test_intercept_of_constant_columns_and_targets():
    X, y = table()
    X = np.column_stack([X, np.full(60, 5.0)])
    model = KroneckerSBL(fit_intercept=True).fit(X, y + 1)
    assert model.coef_[-1] == 0
    assert r2_score(y + 1, model.predict(X)) > 0.9
    constant = KroneckerSBL(fit_intercept=True).fit(X, np.full(60, 3.0))
    mean, std = constant.predict(X, return_std=True)
    np.testing.assert_allclose(mean, 3.0)
    np.testing.assert_allclose(std, 0.0, atol=1e-12)


# As good as its peer


def test_diabetes():
    X, y = load_diabetes(return_X_y=True)
    ours = cross_val_score(KroneckerSBL(fit_intercept=True), X, y, cv=5).mean()
    theirs = cross_val_score(ARDRegression(), X, y, cv=5).mean()
    assert abs(ours - theirs) < 0.02
    assert ours > 0.45


def test_ard_regression():
    """Close predictions, means and spreads, where there is no doubt about the support."""
    X, y = table(n=200)
    rows = table(n=50, seed=1)[0]
    mean, std = KroneckerSBL(fit_intercept=True).fit(X, y).predict(rows, return_std=True)
    expected, spread = ARDRegression().fit(X, y).predict(rows, return_std=True)
    assert r2_score(expected, mean) > 0.999
    np.testing.assert_allclose(std, spread, rtol=0.05)


# Scores


def test_scores():
    X, y = table()
    model = KroneckerSBL().fit(X, y)
    assert model.score(X, y) == pytest.approx(r2_score(y, X @ model.coef_))
    weights = np.random.default_rng(0).random(60)
    expected = r2_score(y, X @ model.coef_, sample_weight=weights)
    assert model.score(X, y, weights) == pytest.approx(expected)
    assert KroneckerSBL().fit([X], y).score([X], y) == pytest.approx(r2_score(y, X @ model.coef_))


@pytest.mark.parametrize("form", ["vector", "columns", "tensor"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_scores_of_lists(is_complex, form):
    made = problem(dtype=complex if is_complex else float, n_snapshots=3 if form == "columns" else None)
    Y = made.Y.reshape(8, 10) if form == "tensor" else made.Y
    model = KroneckerSBL().fit(made.dictionaries, Y)
    predicted = kronecker_matvec(made.dictionaries, model.coef_.T).reshape(Y.shape)
    centre = Y.mean(axis=0) if form == "columns" else Y.mean()
    expected = 1 - np.sum(np.abs(Y - predicted) ** 2) / np.sum(np.abs(Y - centre) ** 2)
    score = model.score(made.dictionaries, Y)
    assert isinstance(score, float)
    assert score == pytest.approx(expected)
    assert score > 0.9
    with pytest.raises(ValueError, match="sample_weight must be None with a list of factors"):
        model.score(made.dictionaries, Y, np.ones(80))
    with pytest.raises(ValueError, match="y must be of shape"):
        model.score(made.dictionaries, Y[:-1])


# In scikit-learn's company


def test_names_of_features():
    pd = pytest.importorskip("pandas")
    X, y = table()
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    model = KroneckerSBL().fit(frame, pd.Series(y))
    assert list(model.feature_names_in_) == list("abcdefgh")
    np.testing.assert_allclose(model.coef_, KroneckerSBL().fit(X, y).coef_, rtol=1e-10)
    np.testing.assert_array_equal(model.predict(frame), model.predict(frame.astype(float)))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("hgfedcba")])
    made = problem()
    model.fit(made.dictionaries, made.Y)
    assert not hasattr(model, "feature_names_in_")
    frames = [pd.DataFrame(d) for d in made.dictionaries]
    np.testing.assert_array_equal(clone(model).fit(frames, made.Y).coef_, model.coef_)


def test_pipeline_and_grid_search():
    X, y = table()
    pipeline = make_pipeline(StandardScaler(), KroneckerSBL(fit_intercept=True))
    choices = {"kroneckersbl__prune": [None, 1e-2], "kroneckersbl__method": ["svd", "am"]}
    grid = GridSearchCV(pipeline, choices)
    grid.fit(X, y + 3)
    assert grid.best_score_ > 0.95
    listed = make_pipeline(FunctionTransformer(), KroneckerSBL())
    made = problem()
    np.testing.assert_array_equal(
        listed.fit(made.dictionaries, made.Y)[-1].coef_,
        KroneckerSBL().fit(made.dictionaries, made.Y).coef_,
    )


def test_refits_forget():
    X, y = table()
    made = problem(n_snapshots=2)
    model = KroneckerSBL()
    for again in range(2):
        model.fit(made.dictionaries, made.Y[:, 0].reshape(8, 10))
        assert model.predict(made.dictionaries).shape == (8, 10)
        model.set_params(fit_intercept=True).fit(X, y + 3)
        assert model.predict(X).shape == (60,)
        assert model.intercept_ != 0
        model.set_params(fit_intercept=False).fit(X, y)
        assert model.intercept_ == 0
        np.testing.assert_allclose(model.predict(X), X @ model.coef_)
        model.fit(made.dictionaries, made.Y)
        assert model.predict(made.dictionaries).shape == (80, 2)
        expected = KroneckerSBL().fit(made.dictionaries, made.Y)
        assert set(vars(model)) == set(vars(expected)), again


def test_failed_fits_leave_no_trace():
    X, y = table()
    made = problem()
    broken = [made.dictionaries[0], np.full((10, 15), np.nan)]
    model = KroneckerSBL()
    for arguments in (
        (broken, made.Y),
        (made.dictionaries, made.Y[:-1]),
        (X, y[:-1]),
        (np.where(X.max() == X, np.nan, X), y),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            model.fit(*arguments)
        assert set(vars(model)) == set(model.get_params())
    model.fit(X, y)
    before = {name: value for name, value in vars(model).items()}
    for arguments in ((broken, made.Y), (made.dictionaries, made.Y[:-1]), (X, y[:-1]), ([X, X], y)):
        with pytest.raises(ValueError, match=r"\w"):
            model.fit(*arguments)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())
    model.set_params(method="none")
    with pytest.raises(ValueError, match="method must be one of"):
        model.fit(X, y)
    np.testing.assert_allclose(model.predict(X), X @ before["coef_"])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_dtypes(dtype):
    X, y = table()
    X, y = (10 * X).astype(dtype), (10 * y).astype(dtype)
    model = KroneckerSBL(fit_intercept=True).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    expected = np.dtype("float64" if dtype == "int64" else dtype)
    for array in (model.coef_, model.coef_var_, model.gammas_[0], mean, std):
        assert array.dtype == expected
    doubles = KroneckerSBL(fit_intercept=True).fit(X.astype(float), y.astype(float))
    np.testing.assert_allclose(mean, doubles.predict(X.astype(float)), rtol=1e-3, atol=1e-3)
    wider = KroneckerSBL().fit(X, y.astype(float))
    assert wider.coef_.dtype == expected


def test_complex_single_precision():
    made = problem(dtype=complex)
    factors = [d.astype("complex64") for d in made.dictionaries]
    model = KroneckerSBL().fit(factors, made.Y.astype("complex64"))
    mean, std = model.predict(factors, return_std=True)
    assert model.coef_.dtype == mean.dtype == np.complex64
    assert model.coef_var_.dtype == std.dtype == np.float32
    real_factors = KroneckerSBL().fit([d.real for d in made.dictionaries], made.Y)
    assert real_factors.coef_.dtype == np.complex128


def test_zero_targets():
    X, y = table()
    for arguments in ((X, 0 * y), ([X], 0 * y)):
        model = KroneckerSBL().fit(*arguments)
        mean, std = model.predict(arguments[0], return_std=True)
        assert not mean.any()
        assert not std.any()
        assert len(model.support_) == 0
        assert model.score(*arguments) == 1.0


# Other libraries


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("form", ["table", "list", "tensor", "columns"])
def test_other_libraries(form, library):
    xp = pytest.importorskip(library)
    if form in ("table", "columns"):
        X, y = table()
        y = np.stack([y, -y], axis=1) if form == "columns" else y
        plain = KroneckerSBL(fit_intercept=True)
        there, target = xp.asarray(X), xp.asarray(y)
    else:
        made = problem()
        X, y = made.dictionaries, made.Y.reshape(8, 10) if form == "tensor" else made.Y
        plain = KroneckerSBL()
        there, target = [xp.asarray(d) for d in X], xp.asarray(y)
    model = clone(plain).fit(there, target)
    plain.fit(X, y)
    kind = type(target)
    mean, std = model.predict(there, return_std=True)
    expected, spread = plain.predict(X, return_std=True)
    for array in (model.coef_, model.coef_var_, model.support_, *model.gammas_, mean, std):
        assert isinstance(array, kind)
    np.testing.assert_allclose(np.asarray(model.coef_), plain.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.asarray(mean), expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.asarray(std), spread, rtol=1e-7)
    np.testing.assert_allclose(np.asarray(model.intercept_), plain.intercept_, rtol=1e-7)
    if form in ("list", "tensor"):
        assert model.score(there, target) == pytest.approx(plain.score(X, y))
    with pytest.raises(TypeError, match=r"(?i)librar|array"):
        model.predict(X)
    with pytest.raises(TypeError, match=r"(?i)librar|array"):
        clone(plain).fit(there, y)
    with pytest.raises(TypeError, match=r"(?i)librar|array"):
        clone(plain).fit(X, target)
