"""Rotation-invariant features of point clouds: what they ignore, what they see, scikit-learn."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spectralkit.equivariant import SphericalInvariants
from spectralkit.testing import assert_namespace_preserved
from tests.equivariant import reference


def make_clouds(n=5, columns=3, seed=0):
    """Clouds of different sizes; a fourth column of types, a fifth of weights of both signs."""
    rng = np.random.default_rng(seed)
    clouds = [rng.standard_normal((rng.integers(5, 12), 5)) for _ in range(n)]
    for cloud in clouds:
        cloud[:, 3] = rng.choice([1, 6, 8], size=len(cloud))
        cloud[:3, 3] = [1, 6, 8]
    return [cloud[:, :columns] for cloud in clouds]


def moved(clouds, R=None, shift=(0, 0, 0)):
    out = []
    for index, cloud in enumerate(clouds):
        cloud = cloud.copy()
        cloud[:, :3] = cloud[:, :3] @ (np.eye(3) if R is None else R[index]).T + shift
        out.append(cloud)
    return out


def assert_same(found, expected, tol=1e-10):
    """Equal relative to the largest feature of each order."""
    assert found.shape == expected.shape
    assert np.max(np.abs(found - expected) / np.max(np.abs(expected), axis=1, keepdims=True)) < tol
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


VARIANTS = {
    "default": {},
    "order 1": {"order": 1},
    "order 2": {"order": 2},
    "order 4": {"order": 4, "lmax": 2, "n_radial": 2},
    "high degree": {"lmax": 9, "n_radial": 2},
    "one channel": {"lmax": 3, "n_radial": 1},
    "degree 0": {"lmax": 0},
    "not centred": {"center": False},
    "average": {"average": True},
    "short": {"r_max": 0.7},
    "types": {"type_column": 3},
    "weights": {"weight_column": 4, "type_column": 3},
    "all": {"weight_column": 4, "type_column": 3, "order": 4, "n_radial": 2},
}


def make(name, **options):
    parameters = VARIANTS[name] | options
    return SphericalInvariants(**parameters), make_clouds(
        columns=3 + sum("column" in key for key in parameters)
    )


# What features ignore.


@pytest.mark.parametrize("name", VARIANTS)
def test_rotations_and_reflections(name):
    model, clouds = make(name)
    expected = model.fit(clouds).transform(clouds)
    for R in (
        reference.orthogonal(5),
        reference.orthogonal(5, seed=1),
        reference.SIGNED_PERMUTATIONS[7::8],
    ):
        assert_same(model.transform(moved(clouds, R)), expected)


@pytest.mark.parametrize("name", VARIANTS)
def test_order_of_points(name):
    model, clouds = make(name)
    expected = model.fit(clouds).transform(clouds)
    rng = np.random.default_rng(0)
    assert_same(model.transform([rng.permutation(cloud) for cloud in clouds]), expected)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "not centred"])
@pytest.mark.parametrize("shift", [(3, -2, 5), (1e4, 0, 0)])
def test_translations(name, shift):
    model, clouds = make(name)
    expected = model.fit(clouds).transform(clouds)
    assert_same(model.transform(moved(clouds, shift=shift)), expected)


@pytest.mark.parametrize("name", ["default", "weights"])
def test_the_extent_counts_from_the_weighted_mean(name):
    model, clouds = make(name)
    extent = 0
    for cloud in clouds:
        weights = np.abs(cloud[:, 4]) if name == "weights" else None
        points = cloud[:, :3] - np.average(cloud[:, :3], axis=0, weights=weights)
        extent = max(extent, np.max(np.linalg.norm(points, axis=1)))
    assert model.fit(clouds).r_max_ == pytest.approx(extent, rel=1e-14)
    assert model.fit(moved(clouds, shift=(7, 0, -3))).r_max_ == pytest.approx(extent, rel=1e-12)


def test_fit_does_not_depend_on_the_frame():
    model, clouds = make("default")
    expected = model.fit_transform(clouds)
    assert_same(model.fit_transform(moved(clouds, reference.orthogonal(5), shift=(1, 2, 3))), expected)


# What they see.


@pytest.mark.parametrize("name", VARIANTS)
def test_deformations_show(name):
    model, clouds = make(name)
    expected = model.fit(clouds).transform(clouds)
    stretched = moved(clouds, [np.diag([1.0, 1.0, 1.1])] * 5)
    bent = [cloud.copy() for cloud in clouds]
    for cloud in bent:
        cloud[0, :3] += 0.1
    for other in (stretched, bent):
        assert np.min(np.max(np.abs(model.transform(other) - expected), axis=1)) > 1e-3


def test_translations_show_without_a_centre():
    model, clouds = make("not centred")
    expected = model.fit(clouds).transform(clouds)
    assert np.max(np.abs(model.transform(moved(clouds, shift=(0.1, 0, 0))) - expected)) > 1e-2


def test_angles_show_from_two_points_on():
    # The same distances from the centre.
    angles = np.array([1.0, 2.0])
    clouds = [np.array([[1, 0, 0], [np.cos(a), np.sin(a), 0]]) for a in angles]
    radial = SphericalInvariants(order=1, center=False).fit_transform(clouds)
    np.testing.assert_allclose(radial[0], radial[1], rtol=1e-14)
    assert np.ptp(SphericalInvariants(order=2, center=False).fit_transform(clouds), axis=0).max() > 0.01


def test_types_and_weights_show():
    model, clouds = make("all")
    expected = model.fit(clouds).transform(clouds)
    for column, value in ((3, [6, 1, 8]), (4, [0.5, -1.0, 2.0])):
        other = [cloud.copy() for cloud in clouds]
        for cloud in other:
            cloud[:3, column] = value
        assert np.min(np.max(np.abs(model.transform(other) - expected), axis=1)) > 1e-3


# Definitions.


def test_features_by_hand():
    cloud = make_clouds(1)[0]
    model = SphericalInvariants(lmax=2, n_radial=2, order=4).fit([cloud])
    points = cloud - cloud.mean(axis=0)
    r = np.linalg.norm(points, axis=1)
    assert model.r_max_ == pytest.approx(r.max(), rel=1e-14)
    width = r.max() / 2
    Y = reference.closed_forms(points / r[:, None])[:, :9]
    Y[:, 1:] *= (1 - np.exp(-((r / width) ** 2)))[:, None]
    c = [np.exp(-0.5 * ((r - place * width) / width) ** 2) @ Y for place in (0.5, 1.5)]
    G = reference.gaunt_tensor(2, 2, 2)
    squares = [np.einsum("ijk,i,j->k", G, part, part) for part in c]

    def dots(a, b):
        return [a[0] * b[0], a[1:4] @ b[1:4], a[4:] @ b[4:]]

    expected = [c[0][0], c[1][0]]
    for left, right, pairs in (
        (c, c, [(0, 0), (0, 1), (1, 1)]),
        (squares, c, [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (squares, squares, [(0, 0), (0, 1), (1, 1)]),
    ):
        for j, k in pairs:
            expected += dots(left[j], right[k])
    np.testing.assert_allclose(model.transform([cloud])[0], expected, rtol=1e-12, atol=1e-13)
    names = model.get_feature_names_out()
    assert [*names[:6]] == [
        "mean_k0",
        "mean_k1",
        "power2_k0_k0_l0",
        "power2_k0_k0_l1",
        "power2_k0_k0_l2",
        "power2_k0_k1_l0",
    ]
    assert names[11] == "power3_k0_k0_l0"
    assert names[17] == "power3_k1_k0_l0"
    assert names[-1] == "power4_k1_k1_l2"


@pytest.mark.parametrize("types", [1, 3])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_names_and_number(order, types):
    clouds = make_clouds(columns=3 + (types > 1))
    model = SphericalInvariants(lmax=3, n_radial=2, order=order, type_column=3 if types > 1 else None)
    features = model.fit_transform(clouds)
    channels = 2 * types
    pairs = [channels * (channels + 1) // 2, channels**2, channels * (channels + 1) // 2]
    expected = channels + 4 * sum(pairs[: order - 1])
    names = model.get_feature_names_out()
    assert features.shape == (5, expected)
    assert model.n_features_out_ == len(names) == len(set(names)) == expected
    assert {name.split("_")[0] for name in names} == {"mean", "power2", "power3", "power4"} - {
        f"power{k}" for k in range(order + 1, 5)
    }


def test_types_have_channels_of_their_own():
    clouds = make_clouds(columns=4)
    model = SphericalInvariants(order=1, n_radial=2, type_column=3, center=False, r_max=2.0).fit(clouds)
    assert np.array_equal(model.types_, [1, 6, 8])
    features = model.transform(clouds)
    for index, kind in enumerate(model.types_):
        alone = [cloud[cloud[:, 3] == kind, :3] for cloud in clouds]
        expected = SphericalInvariants(order=1, n_radial=2, center=False, r_max=2.0).fit_transform(alone)
        np.testing.assert_allclose(features[:, 2 * index : 2 * index + 2], expected, rtol=1e-13)
    swapped = [cloud[:, :3] for cloud in clouds]
    assert SphericalInvariants().fit(swapped).types_ is None


def test_weights_count_points():
    clouds = make_clouds(columns=4)
    for cloud in clouds:
        cloud[:, 3] = np.arange(len(cloud)) % 3 + 1
    repeated = [np.repeat(cloud[:, :3], cloud[:, 3].astype(int), axis=0) for cloud in clouds]
    for average in (False, True):
        weighted = SphericalInvariants(weight_column=3, average=average).fit_transform(clouds)
        assert_same(weighted, SphericalInvariants(average=average).fit_transform(repeated))


def test_columns_may_change_places():
    clouds = make_clouds(columns=5)
    swapped = [cloud[:, [0, 1, 2, 4, 3]] for cloud in clouds]
    one = SphericalInvariants(type_column=3, weight_column=4).fit_transform(clouds)
    assert_same(SphericalInvariants(type_column=4, weight_column=3).fit_transform(swapped), one)


def test_average_forgets_the_number_of_points():
    clouds = make_clouds()
    double = [np.concatenate([cloud, cloud]) for cloud in clouds]
    model = SphericalInvariants(average=True).fit(clouds)
    assert_same(model.transform(double), model.transform(clouds))
    model = SphericalInvariants(order=1).fit(clouds)
    np.testing.assert_allclose(model.transform(double), 2 * model.transform(clouds), rtol=1e-12)


def test_average_divides_by_the_sum_of_weights():
    clouds = make_clouds(columns=4)
    for cloud in clouds:
        cloud[:, 3] = 1.0
    model = SphericalInvariants(weight_column=3, average=True)
    expected = model.fit_transform(clouds)
    for cloud in clouds:
        cloud[:, 3] = -2.0
    np.testing.assert_allclose(model.transform(clouds), expected, rtol=1e-12, atol=1e-14)


def test_scaled_clouds_have_the_same_features():
    clouds = make_clouds()
    expected = SphericalInvariants().fit_transform(clouds)
    for scale in (1e-300, 1e-3, 1e300):
        assert_same(SphericalInvariants().fit_transform([scale * cloud for cloud in clouds]), expected)


# The centre.


@pytest.mark.parametrize("center", [True, False])
def test_a_single_point_in_the_centre(center):
    clouds = [np.zeros((1, 3)), np.zeros((4, 3))]
    model = SphericalInvariants(lmax=2, n_radial=2, center=center).fit(clouds)
    assert model.r_max_ == 1.0
    features = model.transform(clouds)
    names = model.get_feature_names_out()
    assert np.all(np.isfinite(features))
    # No direction: only degree 0.
    zero = [not (name.startswith("mean") or name.endswith("l0")) for name in names]
    assert np.all(features[:, zero] == 0)
    assert np.all(features[:, np.logical_not(zero)] != 0)
    np.testing.assert_allclose(features[1, :2], 4 * features[0, :2], rtol=1e-14)


@pytest.mark.parametrize("far", [0.0, 1e6])
def test_equal_points_are_all_in_the_centre(far):
    # What rounding leaves of their distances must not become the scale.
    cloud = np.tile([[0.1 + far, 0.2, 0.3]], (7, 1))
    expected = SphericalInvariants().fit_transform([np.zeros((7, 3))])
    for R in (np.eye(3), *reference.orthogonal(5)):
        model = SphericalInvariants().fit([cloud @ R.T])
        assert model.r_max_ == 1.0
        assert_same(model.transform([cloud @ R.T]), expected)


def test_points_far_outside_and_heavy_ones_do_not_overflow():
    cloud = make_clouds(1)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SphericalInvariants(center=False).fit([cloud])
        assert np.all(model.transform([1e200 * cloud]) == 0)
        for r_max in (1e-200, 5e-324):
            assert np.all(SphericalInvariants(r_max=r_max).fit_transform([cloud]) == 0)
        model = SphericalInvariants(weight_column=3, average=True)
        expected = model.fit_transform([np.column_stack([cloud, np.ones(len(cloud))])])
        assert_same(model.fit_transform([np.column_stack([cloud, np.full(len(cloud), 1e308)])]), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"lmax": 2, "n_radial": 3, "order": 4},
        {"r_max": 0.1, "center": False, "average": True},
        {"type_column": 4, "weight_column": 3},
        {"type_column": None, "weight_column": 1},
    ],
)
def test_parameters_after_fit_wait_for_the_next_fit(parameters):
    model, clouds = make("weights")
    expected, names = model.fit_transform(clouds), model.get_feature_names_out()
    model.set_params(**parameters)
    assert np.array_equal(model.transform(clouds), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(clouds), expected)
    assert np.array_equal(model.get_feature_names_out(), names)


def test_memory_is_that_of_the_features():
    clouds = np.random.default_rng(0).standard_normal((50, 20, 3))
    model = SphericalInvariants(lmax=8, n_radial=16).fit(clouds[:2])
    model.transform(clouds[:2])
    tracemalloc.start()
    features = model.transform(clouds)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * features.nbytes  # one number for each pair and each harmonic would be 9 times


def test_continuous_at_the_centre():
    others = reference.directions(6)
    model = SphericalInvariants(center=False, r_max=1.0, order=4, n_radial=2)
    at_centre = model.fit_transform([np.vstack([others, [[0, 0, 0]]])])
    for direction in (*np.eye(3), [-1.0, 2.0, -3.0]):
        for r in (1e-3, 1e-6, 1e-9, 1e-11, 1e-13, 1e-200):
            near = model.transform([np.vstack([others, r * np.asarray(direction)[None]])])
            np.testing.assert_allclose(near, at_centre, rtol=0, atol=2e3 * r + 1e-13 * np.max(at_centre))


# Containers, libraries, dtypes.


def test_list_or_array():
    stacked = np.random.default_rng(0).standard_normal((4, 9, 3))
    one, other = SphericalInvariants().fit(stacked), SphericalInvariants().fit(list(stacked))
    assert one.r_max_ == other.r_max_
    expected = one.transform(stacked)
    assert expected.shape == (4, 134)
    for same in (
        list(stacked),
        tuple(stacked),
        stacked.tolist(),
        stacked[::-1].copy()[::-1],
        iter(stacked),
    ):
        assert np.array_equal(one.transform(same), expected)


def test_each_cloud_alone():
    model, clouds = make("default")
    features = model.fit(clouds).transform(clouds)
    for cloud, row in zip(clouds, features, strict=True):
        np.testing.assert_allclose(model.transform([cloud])[0], row, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_features_are_double(dtype):
    clouds = [(4 * cloud).astype(dtype) for cloud in make_clouds()]
    found = SphericalInvariants().fit_transform(clouds)
    assert found.dtype == np.float64
    assert np.array_equal(
        found, SphericalInvariants().fit_transform([cloud.astype(float) for cloud in clouds])
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_strict_clouds(name):
    model, clouds = make(name)
    expected = model.fit(clouds).transform(clouds)
    found = assert_namespace_preserved(lambda *clouds: clone(model).fit_transform(list(clouds)), *clouds)
    assert_same(np.from_dlpack(found), expected, tol=1e-13)


@pytest.mark.parametrize("name", VARIANTS)
def test_torch_clouds(name):
    torch = pytest.importorskip("torch")
    model, clouds = make(name)
    expected = model.fit(clouds).transform(clouds)
    tensors = [torch.from_numpy(cloud) for cloud in clouds]
    for found in (model.transform(tensors), clone(model).fit_transform(tensors)):
        assert found.dtype == torch.float64
        assert_same(found.numpy(), expected, tol=1e-13)


def test_clouds_stay_on_their_device():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    clouds = make_clouds(columns=5)
    model = SphericalInvariants(type_column=3, weight_column=4)
    found = model.fit_transform([xp.asarray(cloud, device=device) for cloud in clouds])
    assert found.device == device
    with pytest.raises(TypeError, match=r"X\[0\] and X\[1\] must be arrays of one library on one device"):
        model.fit([xp.asarray(clouds[0], device=device), xp.asarray(clouds[1])])


def test_input_is_not_changed():
    model, clouds = make("all")
    kept = [cloud.copy() for cloud in clouds]
    for cloud in clouds:
        cloud.flags.writeable = False
    model.fit(clouds).transform(clouds)
    assert all(np.array_equal(*pair) for pair in zip(clouds, kept, strict=True))


# scikit-learn.


def shapes(n=40, seed=0):
    """Rods and plates, turned at random."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    stretch = np.where(y[:, None], [3.0, 1.0, 1.0], [2.0, 2.0, 1.0])
    clouds = rng.standard_normal((n, 30, 3)) * stretch[:, None]
    return np.einsum("nij,npj->npi", reference.orthogonal(n, seed), clouds), y


def test_pipeline():
    X, y = shapes()
    model = make_pipeline(SphericalInvariants(order=2), StandardScaler(), LogisticRegression())
    assert model.fit(X[:20], y[:20]).score(X[20:], y[20:]) > 0.8
    grid = GridSearchCV(model, {"sphericalinvariants__lmax": [1, 2]}, cv=2).fit(list(X), y)
    assert grid.best_params_["sphericalinvariants__lmax"] in (1, 2)


def test_clone_and_pickle():
    model, clouds = make("all")
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()
    expected = model.fit(clouds).transform(clouds)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).transform(clouds), expected)
    assert np.array_equal(clone(model).fit_transform(clouds), expected)
    assert not hasattr(clone(model), "r_max_")


def test_tables():
    pandas = pytest.importorskip("pandas")
    model, clouds = make("order 2")
    expected = model.fit_transform(clouds)
    model.set_output(transform="pandas")
    for X in (clouds, [pandas.DataFrame(cloud) for cloud in clouds]):
        table = model.fit_transform(X)
        assert isinstance(table, pandas.DataFrame)
        assert list(table.columns) == list(model.get_feature_names_out())
        assert_same(table.to_numpy(), expected)


def test_a_failed_fit_leaves_no_trace():
    model, clouds = make("types")
    bad = [*clouds, np.full((2, 4), np.nan)]
    with pytest.raises(ValueError, match="finite"):
        model.fit(bad)
    assert not [name for name in vars(model) if name.endswith("_")]
    expected = model.fit(clouds).transform(clouds)
    for wrong in (bad, [cloud[:, :3] for cloud in clouds]):
        with pytest.raises(ValueError, match="must be"):
            model.fit(wrong)
        assert np.array_equal(model.transform(clouds), expected)
    model.set_params(order=9)
    with pytest.raises(ValueError, match="order must be an integer between 1 and 4; got 9"):
        model.fit(clouds[:1])
