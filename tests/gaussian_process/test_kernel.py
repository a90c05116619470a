"""The kernel in scikit-learn's Gaussian processes: gradients, anatomy, and what it predicts."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from spectralkit.gaussian_process import SpectralMixtureKernel, _kernel, spectral_mixture

KINDS = [("gaussian", 2.5), *(("student_t", nu) for nu in (0.3, 0.5, 1.0, 1.5, 2.5, 3.7))]
SHAPES = [((3,), (3,)), ((3,), (3, 1)), ((2,), (2, 3)), ((2, 3), (2, 3)), ((1, 2), (1, 2))]


def random_kernel(weights_shape, shape, spectrum="gaussian", nu=2.5, seed=0, **bounds):
    rng = np.random.default_rng(seed)
    weights, scales = rng.uniform(0.5, 2.0, weights_shape), rng.uniform(0.5, 2.0, shape)
    return SpectralMixtureKernel(weights, rng.uniform(0, 2, shape), scales, spectrum, nu, **bounds)


def inputs(kernel, n=7):
    X = np.random.default_rng(1).standard_normal((n, kernel.means.shape[1] if kernel.means.ndim == 2 else 1))
    X[3] = X[2]  # a distance of zero off the diagonal
    return X


def numerical_gradient(kernel, X, h=1e-5):
    theta = kernel.theta
    columns = []
    for step in h * np.eye(len(theta)):
        up, down = (kernel.clone_with_theta(theta + sign * step)(X) for sign in (1, -1))
        columns.append((up - down) / (2 * h))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize(("spectrum", "nu"), KINDS)
@pytest.mark.parametrize(("weights_shape", "shape"), SHAPES)
def test_values_and_gradient(spectrum, nu, weights_shape, shape):
    kernel = random_kernel(weights_shape, shape, spectrum, nu)
    X = inputs(kernel)
    K, gradient = kernel(X, eval_gradient=True)
    d = X[:, None] - X
    expected = spectral_mixture(
        d if len(shape) == 2 else d[..., 0],
        kernel.weights,
        kernel.means,
        kernel.scales,
        spectrum=spectrum,
        nu=nu,
    )
    assert_allclose(kernel(X), expected, atol=1e-15)
    assert_allclose(K, expected, rtol=1e-13, atol=1e-15)
    assert_array_equal(K, K.T)
    assert_allclose(kernel.diag(X), np.diag(K), rtol=1e-14)
    assert_allclose(kernel(X, X[:2]), K[:, :2], rtol=1e-13, atol=1e-15)
    numerical = numerical_gradient(kernel, X)
    assert gradient.shape == numerical.shape == (7, 7, kernel.n_dims)
    for i in range(kernel.n_dims):
        size = np.abs(numerical[..., i]).max()
        assert np.abs(gradient[..., i] - numerical[..., i]).max() <= 1e-6 * size


def test_theta_holds_means_as_they_are():
    kernel = SpectralMixtureKernel([1.0, 2.0], [0.0, 3.0], [0.5, 4.0], means_bounds=(0.0, 5.0))
    assert_allclose(kernel.theta, [0, 3, *np.log([0.5, 4]), *np.log([1, 2])])
    logs = np.log([1e-5, 1e5])
    assert_allclose(kernel.bounds, [[0, 5], [0, 5], logs, logs, logs, logs])
    other = kernel.clone_with_theta(kernel.theta + 1)
    assert_allclose(other.means, [1, 4])
    assert_allclose(other.scales, np.exp(1) * np.array([0.5, 4]))
    assert_allclose(other.theta, kernel.theta + 1)
    assert kernel.means == [0.0, 3.0]  # untouched
    with pytest.raises(ValueError, match="theta must be of 6 hyperparameters"):
        other.theta = np.zeros(7)


@pytest.mark.parametrize(
    "fixed", [("weights",), ("means",), ("scales", "weights"), ("means", "scales", "weights")]
)
def test_fixed_hyperparameters(fixed):
    bounds = {f"{name}_bounds": "fixed" for name in fixed}
    kernel = random_kernel((2,), (2, 3), **bounds)
    X = inputs(kernel)
    assert (
        kernel.n_dims
        == len(kernel.bounds)
        == sum(np.size(getattr(kernel, name)) for name in ("means", "scales", "weights") if name not in fixed)
    )
    gradient = kernel(X, eval_gradient=True)[1]
    assert gradient.shape == (7, 7, kernel.n_dims)
    if kernel.n_dims:
        assert_allclose(gradient, numerical_gradient(kernel, X), atol=1e-7)


def test_bounds_one_by_one():
    bounds = [[0.0, 1.0], [2.0, 3.0]]
    kernel = SpectralMixtureKernel([1.0, 1.0], [0.5, 2.5], [1.0, 1.0], means_bounds=bounds)
    assert_allclose(kernel.bounds[:2], bounds)


@pytest.mark.parametrize(
    "compose",
    [
        lambda k: k + RBF(0.5),
        lambda k: k * RBF(0.5),
        lambda k: k**2.0,
        lambda k: 2.0 * k + WhiteKernel(0.1),
        lambda k: k * k.clone_with_theta(k.theta + 0.1),
    ],
)
def test_composition(compose):
    kernel = compose(random_kernel((2,), (2, 2), "student_t"))
    X = np.random.default_rng(0).standard_normal((6, 2))
    _, gradient = kernel(X, eval_gradient=True)
    assert_allclose(gradient, numerical_gradient(kernel, X), rtol=1e-6, atol=1e-7)
    assert kernel.bounds.shape == (kernel.n_dims, 2)


def test_anatomy():
    kernel = SpectralMixtureKernel([1.0, 2.0], [0.0, 3.0], [0.5, 4.0], "student_t", nu=1.5)
    assert kernel.is_stationary()
    assert clone(kernel) == kernel
    assert clone(kernel).get_params() == kernel.get_params()
    assert kernel.set_params(nu=2.5).nu == 2.5
    X = np.linspace(0, 1, 5)[:, None]
    for other in (pickle.loads(pickle.dumps(kernel)), clone(kernel)):
        assert_array_equal(other(X), kernel(X))
    expected = (
        "SpectralMixtureKernel(weights=[1., 2.], means=[0., 3.], scales=[0.5, 4. ], "
        "spectrum='student_t', nu=2.5)"
    )
    assert repr(kernel) == expected
    assert repr(kernel + RBF()) == f"{expected} + RBF(length_scale=1)"
    names = [hyperparameter.name for hyperparameter in kernel.hyperparameters]
    assert names == ["means", "scales", "weights"]


def test_layouts_and_dtypes():
    kernel = random_kernel((2,), (2, 3))
    X = inputs(kernel)
    other = np.repeat(np.asfortranarray(X), 2, axis=0)[::2]
    other.flags.writeable = False
    assert_array_equal(kernel(other), kernel(X))
    assert_allclose(kernel(X.astype(np.float32)), kernel(X), atol=1e-5)


def series(rng, n=150):
    """A quasi-periodic series at irregular times, and the same without noise."""

    def f(t):
        return np.sin(2 * np.pi * 1.3 * t) + 0.5 * np.cos(2 * np.pi * 3.1 * t) * np.exp(-0.1 * t)

    t = np.sort(rng.uniform(0, 10, n))
    return t[:, None], f(t) + 0.05 * rng.standard_normal(n), f


@pytest.mark.filterwarnings("ignore:The optimal value:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("spectrum", ["gaussian", "student_t"])
def test_regression_of_a_quasi_periodic_series(spectrum):
    X, y, f = series(np.random.default_rng(0))
    kernel = SpectralMixtureKernel.from_data(X, y, 2, spectrum=spectrum)
    model = GaussianProcessRegressor(kernel + WhiteKernel(1e-2)).fit(X, y)
    assert_allclose(np.sort(model.kernel_.k1.means), [1.3, 3.1], atol=0.05)
    assert 0.3 < model.kernel_.k2.noise_level / 0.05**2 < 3
    t = np.linspace(10.0, 11.0, 30)  # beyond the data
    mean, deviation = model.predict(t[:, None], return_std=True)
    assert np.abs(mean - f(t)).max() <= 0.15
    assert (np.abs(mean - f(t)) <= 4 * deviation).all()
    rival = GaussianProcessRegressor(ConstantKernel() * RBF(0.1) + WhiteKernel(1e-2)).fit(X, y)
    assert model.log_marginal_likelihood_value_ > rival.log_marginal_likelihood_value_ + 20


def test_gradient_of_the_likelihood():
    X, y, _ = series(np.random.default_rng(1), 40)
    kernel = SpectralMixtureKernel([0.5, 0.2], [1.2, 3.0], [0.1, 0.2]) + WhiteKernel(0.01)
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(X, y)
    theta = kernel.theta
    _, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        up, down = (model.log_marginal_likelihood(theta + sign * step) for sign in (1, -1))
        assert (up - down) / 2e-5 == pytest.approx(gradient[i], rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_from_data_in_any_units(size, unit):
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 8, 200))
    y = 3 * np.sin(2 * np.pi * 2.2 * x) + 0.2 * np.cos(2 * np.pi * 0.7 * x) + 5.0
    kernel = SpectralMixtureKernel.from_data(unit * x[:, None], size * y, 2)
    assert_allclose(kernel.means * unit, [2.2, 0.7], atol=0.01)
    assert_allclose(kernel.weights / size**2, [4.5, 0.02], rtol=0.1)
    assert_allclose(kernel.scales * unit**2, 0.5 / np.ptp(x) ** 2)
    assert ((kernel.bounds[:, 0] < kernel.theta) & (kernel.theta < kernel.bounds[:, 1])).all()


def test_from_data_up_to_the_nyquist_frequency():
    x = 0.1 * np.arange(100)
    kernel = SpectralMixtureKernel.from_data(x[:, None], np.sin(2 * np.pi * 4.6 * x), 3)
    assert_allclose(kernel.means[0], 4.6, atol=1e-3)
    assert kernel.weights[0] > 100 * kernel.weights[1:].max()
    assert_allclose(kernel.means_bounds, [[0, 5]] * 3)
    assert (kernel.means <= 5).all()


def test_from_data_on_a_grid():
    """Along each axis the other coordinate repeats, and all means along it are zero."""
    g = np.linspace(0, 2, 40)
    X = np.stack(np.meshgrid(g, g, indexing="ij"), axis=-1).reshape(-1, 2)
    y = np.sin(2 * np.pi * 1.5 * X[:, 0]) * np.sin(2 * np.pi * 4 * X[:, 1])
    kernel = SpectralMixtureKernel.from_data(X, y, 2)
    assert kernel.weights.shape == kernel.means.shape == kernel.scales.shape == (2, 2)
    assert_allclose(kernel.means[0], [1.5, 4.0], atol=0.02)
    assert_allclose(kernel.diag(X[:1]), y.var())
    assert kernel.bounds.shape == (12, 2)


def test_from_data_of_scattered_points():
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 2, (400, 2))
    y = np.sin(2 * np.pi * 3 * X[:, 0]) + 0.5 * np.cos(2 * np.pi * 5 * X[:, 1])
    kernel = SpectralMixtureKernel.from_data(X, y, 1)
    assert_allclose(kernel.means[0], [3.0, 5.0], atol=0.05)


def test_a_mean_at_its_bound_warns_as_any_other():
    X = np.linspace(0, 1, 12)[:, None]
    kernel = SpectralMixtureKernel([1.0], [0.0], [1.0], scales_bounds="fixed", weights_bounds="fixed")
    with pytest.warns(ConvergenceWarning, match="means"):
        GaussianProcessRegressor(kernel, alpha=1e-3).fit(X, X[:, 0])


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (dict(weights=[-1.0, 1.0]), ValueError, "weights must be non-negative"),
        (dict(scales=[1.0, np.nan]), ValueError, "scales must be finite"),
        (dict(scales=[1.0]), ValueError, "scales must be of the shape"),
        (dict(spectrum="x"), ValueError, "spectrum must be one of"),
        (dict(nu=-1.0), ValueError, "nu must be"),
        (dict(weights=["a", "b"]), TypeError, "weights must be"),
    ],
)
def test_errors_of_parameters(change, error, match):
    kernel = SpectralMixtureKernel(**(dict(weights=[1.0, 2.0], means=[0.0, 1.0], scales=[1.0, 1.0]) | change))
    with pytest.raises(error, match=match):
        kernel(np.zeros((2, 1)))


def test_errors_of_inputs():
    kernel = SpectralMixtureKernel([1.0], [0.0], [1.0])
    for call in (kernel, kernel.diag):
        with pytest.raises(ValueError, match=r"X must be of shape \(n, 1\)"):
            call(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="Y must be of shape"):
        kernel(np.zeros((3, 1)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="Y must be None with eval_gradient"):
        kernel(np.zeros((3, 1)), np.zeros((3, 1)), eval_gradient=True)
    zero = SpectralMixtureKernel([0.0], [0.0], [1.0])
    with pytest.raises(ValueError, match="weights must be positive"):
        zero.theta  # noqa: B018
    assert SpectralMixtureKernel([0.0], [0.0], [1.0], weights_bounds="fixed").n_dims == 2


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (None, TypeError, "must be of a real"),
        ([["a"]], TypeError, "must be of a real"),
        ([[1j]], TypeError, "must be real"),
        ([[np.nan]], ValueError, "must be finite"),
        ([[np.inf], [0.0]], ValueError, "must be finite"),
    ],
)
def test_inputs_that_are_no_finite_numbers(value, error, match):
    kernel = SpectralMixtureKernel([1.0], [0.0], [1.0])
    for call in (kernel, kernel.diag, lambda X: kernel(X, eval_gradient=True)):
        with pytest.raises(error, match=f"X {match}"):
            call(value)
    if value is not None:
        with pytest.raises(error, match=f"Y {match}"):
            kernel([[0.0]], value)


def test_distances_that_overflow():
    X = [[1e308], [-1e308]]
    K, gradient = SpectralMixtureKernel([1.0], [0.5], [1.0])(X, eval_gradient=True)
    assert_array_equal(K, np.eye(2))
    assert np.isfinite(gradient).all()
    wave = SpectralMixtureKernel([1.0], [0.5], [0.0], scales_bounds="fixed")
    for eval_gradient in (False, True):
        with pytest.raises(ValueError, match="X, weights, means and scales must be of a size"):
            wave(X, eval_gradient=eval_gradient)


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        ((1, 2, 3), r"pair of numbers, an array of shape \(2, 2\) or 'fixed'; got \(1, 2, 3\)"),
        (((0, 1), (0, 1), (0, 1)), "pair of numbers"),
        ("free", "pair of numbers"),
        (None, "pair of numbers"),
        ((1j, 2), "pair of numbers"),
        (((0, 1), 2), "pair of numbers"),
        ((2, 1), "ascending"),
        ((np.nan, 1), "ascending"),
    ],
)
@pytest.mark.parametrize("name", ["weights_bounds", "means_bounds", "scales_bounds"])
def test_errors_of_bounds(name, bounds, match):
    kernel = SpectralMixtureKernel([1.0, 1.0], [1.0, 2.0], [1.0, 1.0], **{name: bounds})
    for call in (lambda: kernel.bounds, lambda: kernel.theta):
        with pytest.raises(ValueError, match=f"{name} must be .*{match}"):
            call()


def test_bounds_at_zero_and_below():
    kernel = SpectralMixtureKernel([1.0], [1.0], [1.0], weights_bounds=(0, 1), means_bounds=(-1, 1))
    assert_allclose(kernel.bounds[[0, 2]], [[-1, 1], [-np.inf, 0]])
    with pytest.raises(ValueError, match="scales_bounds must be ascending and not negative"):
        SpectralMixtureKernel([1.0], [1.0], [1.0], scales_bounds=(-1, 1)).bounds  # noqa: B018


@pytest.mark.parametrize(
    ("theta", "match"),
    [
        (np.zeros(5), "theta must be of 6 hyperparameters; got 5 of them"),
        (np.zeros(7), "theta must be of 6 hyperparameters; got 7 of them"),
        (np.zeros((6, 1)), r"got shape \(6, 1\)"),
        (0.0, r"got shape \(\)"),
        ([9.0, 9.0, 1.0, 1.0, 1.0, np.nan], "theta must be of finite weights"),
        ([9.0, 9.0, 1.0, 1.0, 1.0, 1e4], "theta must be of finite weights"),
    ],
)
def test_a_theta_that_fails_changes_nothing(theta, match):
    kernel = SpectralMixtureKernel([1.0, 2.0], [0.0, 3.0], [0.5, 4.0])
    before = kernel.theta
    with pytest.raises(ValueError, match=match):
        kernel.theta = theta
    assert_array_equal(kernel.theta, before)


@pytest.mark.parametrize(("weights_shape", "shape"), SHAPES)
@pytest.mark.parametrize("fixed", [(), ("means",), ("scales", "weights")])
def test_blocks_of_rows(monkeypatch, weights_shape, shape, fixed):
    kernel = random_kernel(weights_shape, shape, **{f"{name}_bounds": "fixed" for name in fixed})
    X = inputs(kernel, 11)
    K, gradient = kernel(X, eval_gradient=True)
    for elements in (1, 4 * 11 * np.size(kernel.means)):
        monkeypatch.setattr(_kernel, "_GRADIENT_ELEMENTS", elements)
        found = kernel(X, eval_gradient=True)
        assert_allclose(found[0], K, rtol=1e-14, atol=1e-15)
        assert_allclose(found[1], gradient, rtol=1e-13, atol=1e-14)
    empty = kernel(X[:0], eval_gradient=True)
    assert empty[0].shape == (0, 0)
    assert empty[1].shape == (0, 0, kernel.n_dims)


@pytest.mark.parametrize(("weights_shape", "shape"), [((3,), (3,)), ((2, 3), (2, 3))])
def test_memory_of_the_gradient(weights_shape, shape):
    """That of the gradient, of the matrix, and of some rows."""
    kernel = random_kernel(weights_shape, shape)
    X = inputs(kernel, 600)
    tracemalloc.start()
    _, gradient = kernel(X, eval_gradient=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.25 * gradient.nbytes


@pytest.mark.parametrize("D", [1, 2, 3])
@pytest.mark.parametrize("size", [1e-150, 1e-100, 1e100, 1e150])
def test_from_data_far_from_one(D, size):
    X = np.random.default_rng(0).uniform(0, 3, (80, D))
    y = np.sin(7 * X[:, 0]) + 0.1 * X[:, -1]
    power = 2.0 ** np.round(np.log2(size))
    expected = SpectralMixtureKernel.from_data(X, y, 2)
    found = SpectralMixtureKernel.from_data(X, power * y, 2)
    assert_allclose(found.weights, expected.weights * power ** (2 / D), rtol=1e-10)
    assert_allclose(found.means, expected.means, rtol=1e-10)
    found = SpectralMixtureKernel.from_data(power * X, y, 2)
    assert_allclose(found.means, expected.means / power, rtol=1e-10)
    assert_allclose(found.scales, expected.scales / power / power, rtol=1e-10)
    assert ((found.bounds[:, 0] <= found.theta) & (found.theta <= found.bounds[:, 1])).all()
    assert np.isfinite(found.bounds).all()


@pytest.mark.parametrize("size", [1e-310, 1e-300, 1e300])
def test_from_data_that_no_kernel_holds(size):
    X = np.linspace(0.0, 5.0, 50)[:, None]
    y = np.sin(7 * X[:, 0])
    fault = "overflow" if size < 1 else "vanish"
    with pytest.raises(ValueError, match=f"X must be of a size .* got .* that {fault}"):
        SpectralMixtureKernel.from_data(size * X, y, 1)
    fault = "vanish" if size < 1 else "overflow"
    with pytest.raises(ValueError, match=f"y must be of a size .* got weights that {fault}"):
        SpectralMixtureKernel.from_data(X, size * y, 1)
    with pytest.raises(ValueError, match="got a constant"):
        SpectralMixtureKernel.from_data(X, np.full(50, size), 1)
    if size > 1e-308:
        kernel = SpectralMixtureKernel.from_data(size * X, y, 1, spectrum="student_t")
        assert_allclose(kernel.scales * size, 0.2)


@pytest.mark.parametrize(
    ("X", "y", "options", "error", "match"),
    [
        (np.arange(9.0)[:, None], np.ones(9), {}, ValueError, "y must be a variable that varies"),
        (np.ones((9, 1)), np.arange(9.0), {}, ValueError, "a constant column 0"),
        (np.arange(9.0)[:, None], np.full(9, np.nan), {}, ValueError, "NaN"),
        (np.arange(9.0)[:, None], np.arange(8.0), {}, ValueError, "inconsistent"),
        (np.arange(9.0)[:, None], np.arange(9.0), dict(n_components=0), ValueError, "n_components must be"),
        (np.arange(9.0)[:, None], np.arange(9.0), dict(spectrum="x"), ValueError, "spectrum must be"),
    ],
)
def test_errors_of_from_data(X, y, options, error, match):
    options = dict(n_components=2) | options
    with pytest.raises(error, match=match):
        SpectralMixtureKernel.from_data(X, y, **options)
