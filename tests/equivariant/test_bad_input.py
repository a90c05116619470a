"""Wrong input to everything in the family: the exceptions, with the value and what to do."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from spectralkit.equivariant import (
    GauntTensorProduct,
    SphericalInvariants,
    gaunt_coefficients,
    gaunt_convolution,
    gaunt_power,
    gaunt_tensor_product,
    rotate,
    spherical_harmonics,
    wigner_d,
)

rng = np.random.default_rng(0)
x, r, R = rng.standard_normal((5, 9)), rng.standard_normal((5, 3)), np.eye(3)


def changed(array, value, index=0):
    array = array.copy()
    array.flat[index] = value
    return array


# Arrays.

COEFFICIENTS = {
    "rotate": ("x", lambda x: rotate(x, R)),
    "first": ("x1", lambda value: gaunt_tensor_product(value, x)),
    "second": ("x2", lambda value: gaunt_tensor_product(x, value)),
    "plan, first": ("x1", lambda value: GauntTensorProduct(2, 2)(value, x)),
    "plan, second": ("x2", lambda value: GauntTensorProduct(2, 2)(x, value)),
    "power": ("x", lambda value: gaunt_power(value, 2)),
    "convolution": ("x", lambda value: gaunt_convolution(value, r, [1.0])),
}


@pytest.mark.parametrize(("name", "function"), COEFFICIENTS.values(), ids=COEFFICIENTS)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (x[:, :8], ValueError, r"{} must be of shape \(..., \(lmax \+ 1\)\*\*2\); got shape \(5, 8\)"),
        (x[:, :0], ValueError, r"{} must be of shape .*; got shape \(5, 0\)"),
        (1.0, ValueError, r"{} must be of shape .*; got shape \(\)"),
        ([[1, 2, 3, 4], [1]], ValueError, "{} must be an array of numbers; got rows of different"),
        (x + 0j, TypeError, "{} must be real; got dtype complex128. Pass its real and imaginary parts"),
        (x.astype(object), TypeError, "{} must be of .*; got dtype object"),
        (x.astype("longdouble"), TypeError, "{} must be of .*; got dtype"),
        (x.astype("U5"), TypeError, "{} must be of .*; got dtype str"),
        (np.ma.masked_less(x, 0), TypeError, "{} must be an array without a mask; got type MaskedArray"),
        (None, TypeError, "{} must be of .*; got dtype object"),
    ],
)  # fmt: skip
def test_coefficients(name, function, value, error, match):
    with pytest.raises(error, match=match.format(name)):
        function(value)


VECTORS = {
    "harmonics": ("xyz", lambda xyz: spherical_harmonics(2, xyz)),
    "harmonics, other axis": ("xyz", lambda xyz: spherical_harmonics(0, xyz, polar_axis="y")),
    "convolution": ("directions", lambda directions: gaunt_convolution(x, directions, [1.0])),
}


@pytest.mark.parametrize(("name", "function"), VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (r[:, :2], ValueError, r"{} must be of shape \(..., 3\); got shape \(5, 2\)"),
        (np.ones((3, 0)), ValueError, r"{} must be of shape \(..., 3\); got shape \(3, 0\)"),
        (1.0, ValueError, r"{} must be of shape \(..., 3\); got shape \(\)"),
        (changed(r, np.nan, 4), ValueError, "{} must be finite; got NaN or infinity. Drop those vectors"),
        (changed(r, -np.inf, 4), ValueError, "{} must be finite"),
        (
            r * [[1], [0], [1], [1], [1]],
            ValueError,
            "{} must be non-zero; got a zero vector. It has no direction",
        ),
        (np.zeros(3), ValueError, "{} must be non-zero"),
        (-np.zeros(3, dtype=np.float32), ValueError, "{} must be non-zero"),
        ([0, 0, 0], ValueError, "{} must be non-zero"),
        (r + 0j, TypeError, "{} must be real; got dtype complex128"),
        (r.astype(object), TypeError, "{} must be of .*; got dtype object"),
        (None, TypeError, "{} must be of .*; got dtype object"),
    ],
)
def test_vectors(name, function, value, error, match):
    with pytest.raises(error, match=match.format(name)):
        function(value)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_vectors_of_other_libraries(library):
    xp = pytest.importorskip(library)
    for value, match in (
        ([0.0, 0.0, 0.0], "xyz must be non-zero"),
        ([1.0, np.nan, 0.0], "xyz must be finite"),
    ):
        with pytest.raises(ValueError, match=match):
            spherical_harmonics(2, xp.asarray(value))
    with pytest.raises(ValueError, match="R must be orthogonal to 1e-6"):
        wigner_d(2, 1.1 * xp.eye(3))


@pytest.mark.parametrize(
    "function", [lambda R: wigner_d(2, R), lambda R: rotate(x, R)], ids=["wigner_d", "rotate"]
)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.eye(4), ValueError, r"R must be of shape \(..., 3, 3\); got shape \(4, 4\)"),
        (np.eye(3)[:2], ValueError, r"R must be of shape \(..., 3, 3\); got shape \(2, 3\)"),
        (np.ones(3), ValueError, r"R must be of shape \(..., 3, 3\); got shape \(3,\)"),
        (
            np.ones((3, 3)),
            ValueError,
            r"R must be orthogonal to 1e-6; got max \|R'R - I\| = 3. Orthogonalise it",
        ),
        (np.zeros((3, 3)), ValueError, r"R must be orthogonal to 1e-6; got max \|R'R - I\| = 1"),
        (
            np.diag([1, 1, 1 + 1e-6]),
            ValueError,
            r"R must be orthogonal to 1e-6; got max \|R'R - I\| = 2e-06",
        ),
        (
            np.stack([R, R * np.nan]),
            ValueError,
            r"R must be orthogonal to 1e-6; got max \|R'R - I\| = nan",
        ),
        (R + 0j, TypeError, "R must be real; got dtype complex128"),
        (R.astype(object), TypeError, "R must be of .*; got dtype object"),
    ],
)
def test_matrices(function, value, error, match):
    with pytest.raises(error, match=match):
        function(value)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (1.0, ValueError, r"radial must be of shape \(..., l_filter \+ 1\); got shape \(\)"),
        (
            np.ones((5, 0)),
            ValueError,
            r"radial must be of shape \(..., l_filter \+ 1\); got shape \(5, 0\)",
        ),
        (np.ones(2) + 0j, TypeError, "radial must be real; got dtype complex128"),
        (None, TypeError, "radial must be of .*; got dtype object"),
    ],
)
def test_radial(value, error, match):
    with pytest.raises(error, match=match):
        gaunt_convolution(x, r, value)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda: gaunt_tensor_product(x, x[:4]),
            r"x1 and x2 must be .* broadcast; got \(5, 9\) and \(4, 9\)",
        ),
        (lambda: GauntTensorProduct(2, 2)(x, x[:4]), r"x1 and x2 must be .*; got \(5, 9\) and \(4, 9\)"),
        (lambda: rotate(x, np.stack([R] * 4)), r"x and R must be .*; got \(5, 9\) and \(4, 3, 3\)"),
        (
            lambda: gaunt_convolution(x, r[:4], np.ones((5, 1))),
            r"x, directions and radial must be .* broadcast; got \(5, 9\), \(4, 3\) and \(5, 1\)",
        ),
        (
            lambda: gaunt_tensor_product(x, x, w1=np.ones((4, 3))),
            r"x1 and w1 must be of leading axes that broadcast; got \(5, 9\) and \(4, 3\)",
        ),
        (lambda: gaunt_tensor_product(x, x, w2=np.ones((4, 3))), r"x2 and w2 must be"),
        (
            lambda: gaunt_tensor_product(x, x, w3=np.ones((4, 5))),
            r"w3 must be .*; got \(5, 25\) and \(4, 5\)",
        ),
    ],
)
def test_leading_axes(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize(("name", "n"), [("w1", 3), ("w2", 2), ("w3", 3)])
def test_weights(name, n):
    for value, shape in (
        (np.ones(n + 1), rf"\({n + 1},\)"),
        (1.0, r"\(\)"),
        (np.ones((5, 1)), r"\(5, 1\)"),
    ):
        match = rf"{name} must be of shape \(..., {n}\), a factor for each degree; got shape {shape}"
        with pytest.raises(ValueError, match=match):
            gaunt_tensor_product(x, x[:, :4], lmax_out=2, **{name: value})
    with pytest.raises(TypeError, match=f"{name} must be real; got dtype complex128"):
        gaunt_tensor_product(x, x[:, :4], lmax_out=2, **{name: np.ones(n) * 1j})


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (
            np.empty((5, 24)),
            ValueError,
            r"out must be of shape \(5, 25\) and dtype float64; got shape \(5, 24\) and",
        ),
        (np.empty((1, 25)), ValueError, r"out must be of shape \(5, 25\) .*; got shape \(1, 25\)"),
        (
            np.empty((5, 25), dtype=np.float32),
            ValueError,
            "out must be .* dtype float64; got .* dtype float32",
        ),
        (np.empty((5, 25), dtype=int), ValueError, "out must be .* dtype float64; got .* dtype int64"),
        ([0.0] * 25, TypeError, "out must be an array; got type list"),
        (np.broadcast_to(0.0, (5, 25)), ValueError, "read-only"),
    ],
)
def test_out(value, error, match):
    with pytest.raises(error, match=match):
        gaunt_tensor_product(x, x, out=value)


def test_plans_take_their_own_degrees_only():
    plan = GauntTensorProduct(2, 1)
    with pytest.raises(ValueError, match=r"x1 must be of .* 9\) for degree 2; got shape \(5, 4\)"):
        plan(x[:, :4], x[:, :4])
    with pytest.raises(ValueError, match=r"x2 must be of .* 4\) for degree 1; got shape \(5, 9\)"):
        plan(x, x)


# Degrees and options.

DEGREES = {
    "harmonics": ("lmax", lambda lmax: spherical_harmonics(lmax, r)),
    "wigner_d": ("lmax", lambda lmax: wigner_d(lmax, R)),
    "coefficients, 1": ("l1", lambda l1: gaunt_coefficients(l1, 1, 1)),
    "coefficients, 2": ("l2", lambda l2: gaunt_coefficients(1, l2, 1)),
    "coefficients, 3": ("l3", lambda l3: gaunt_coefficients(1, 1, l3)),
    "plan, 1": ("lmax1", lambda lmax: GauntTensorProduct(lmax, 1)),
    "plan, 2": ("lmax2", lambda lmax: GauntTensorProduct(1, lmax)),
    "plan, 3": ("lmax_out", lambda lmax: GauntTensorProduct(1, 1, lmax)),
    "product": ("lmax_out", lambda lmax: gaunt_tensor_product(x, x, lmax_out=lmax)),
    "power": ("lmax_out", lambda lmax: gaunt_power(x, 2, lmax_out=lmax)),
    "convolution": ("lmax_out", lambda lmax: gaunt_convolution(x, r, [1, 1], lmax_out=lmax)),
    "nu": ("nu", lambda nu: gaunt_power(x, nu)),
}


@pytest.mark.parametrize(("name", "function"), DEGREES.values(), ids=DEGREES)
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (-1, ValueError, "{} must be an integer .*; got -1"),
        (1.0, TypeError, "{} must be an integer; got 1.0"),
        (True, TypeError, "{} must be an integer; got True"),
        ("1", TypeError, "{} must be an integer; got '1'"),
    ],
)
def test_degrees(name, function, value, error, match):
    with pytest.raises(error, match=match.format(name)):
        function(value)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda: gaunt_tensor_product(x, x, lmax_out=5),
            "between 0 and 4; got 5. Above lmax1 \\+ lmax2 there is",
        ),
        (
            lambda: GauntTensorProduct(2, 1, 4),
            "between 0 and 3; got 4. Above lmax1 \\+ lmax2 there is nothing",
        ),
        (
            lambda: gaunt_power(x, 3, lmax_out=7),
            "between 0 and 6; got 7. Above nu \\* lmax there is nothing",
        ),
        (
            lambda: gaunt_convolution(x, r, [1, 1], lmax_out=4),
            "between 0 and 3; got 4. Above lmax \\+ l_filter",
        ),
    ],
)
def test_degrees_above_those_of_the_product(call, match):
    with pytest.raises(ValueError, match="lmax_out must be an integer " + match):
        call()


def test_degrees_where_harmonics_underflow():
    with pytest.raises(ValueError, match="lmax must be an integer between 0 and 3400; got 3401"):
        spherical_harmonics(3401, r)
    with pytest.raises(ValueError, match="lmax must be an integer between 0 and 2048; got 2049"):
        rotate(np.zeros(2050**2), R)


@pytest.mark.parametrize("library", ["numpy", "array_api_strict", "torch"])
def test_factors_that_overflow(library):
    xp = pytest.importorskip(library)
    one, large = xp.ones(1, dtype=xp.float32), xp.asarray([1e200], dtype=xp.float64)
    for name in ("w1", "w2", "w3"):
        message = rf"{name} must be at most 3.4e\+38 .* float32; got larger ones. Pass coefficients in"
        with pytest.raises(ValueError, match=message):
            gaunt_tensor_product(one, one, **{name: large})
    direction = xp.asarray([0.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="radial must be at most"):
        gaunt_convolution(one, direction, large)
    wide = xp.ones(1, dtype=xp.float64)
    assert bool(gaunt_tensor_product(wide, one, w2=large)[0] > 1e199)
    assert bool(gaunt_tensor_product(one, one, w1=xp.asarray([np.inf], dtype=xp.float64))[0] == xp.inf)


def test_powers_start_at_one():
    with pytest.raises(ValueError, match="nu must be an integer of at least 1; got 0"):
        gaunt_power(x, 0)


@pytest.mark.parametrize("method", ["dense", None, "SPARSE", 1])
def test_methods(method):
    match = "method must be one of 'sparse', 'grid', 'fft', 'auto'; got "
    for call in (
        lambda: gaunt_tensor_product(x, x, method=method),
        lambda: GauntTensorProduct(1, 1, method=method),
    ):
        with pytest.raises(ValueError, match=match):
            call()


@pytest.mark.parametrize("polar_axis", ["x", None, "Z", 2])
def test_polar_axes(polar_axis):
    with pytest.raises(ValueError, match="polar_axis must be one of 'z', 'y'; got "):
        spherical_harmonics(1, r, polar_axis=polar_axis)


@pytest.mark.parametrize("dtype", ["float16", "complex128", int, "no such dtype"])
def test_dtypes_of_plans(dtype):
    with pytest.raises(ValueError, match="dtype must be one of 'float32', 'float64'; got "):
        GauntTensorProduct(1, 1, dtype=dtype)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_libraries_are_not_mixed(library):
    xp = pytest.importorskip(library)
    other = xp.asarray(x)
    calls = [
        lambda: gaunt_tensor_product(x, other),
        lambda: gaunt_tensor_product(other, x),
        lambda: gaunt_tensor_product(x, x, w1=xp.ones(3)),
        lambda: gaunt_tensor_product(other, other, w3=np.ones(5)),
        lambda: gaunt_tensor_product(other, other, w3=[1.0] * 5),
        lambda: gaunt_tensor_product(x, x, out=xp.ones((5, 25))),
        lambda: GauntTensorProduct(2, 2)(x, other),
        lambda: rotate(other, R),
        lambda: rotate(x, xp.asarray(R)),
        lambda: gaunt_convolution(other, r, xp.ones(2)),
        lambda: gaunt_convolution(other, xp.asarray(r), [1.0, 1.0]),
    ]
    match = f"must be arrays of one library on one device; got .*{library}"
    for call in calls:
        with pytest.raises(TypeError, match=match):
            call()


# Point clouds.

cloud = rng.standard_normal((6, 3))
typed = np.column_stack([cloud, [1, 1, 2, 2, 3, 3], [1.0, -1.0, 0.5, 1.0, 2.0, 1.0]])


@pytest.mark.parametrize("call", ["fit", "transform"])
@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (
            cloud,
            ValueError,
            r"X must be a list of clouds; got shape \(6, 3\). A single cloud goes into a list: \[X\]",
        ),
        (cloud[None, None], ValueError, r"X must be a list of clouds; got shape \(1, 1, 6, 3\)"),
        ([], ValueError, "X must be a list of at least one cloud; got an empty one"),
        (np.empty((0, 6, 3)), ValueError, "X must be a list of at least one cloud"),
        (5, TypeError, "X must be a list of clouds; got type int"),
        (None, TypeError, "X must be a list of clouds; got type NoneType"),
        ([cloud, cloud[:0]], ValueError, r"X\[1\] must be of shape \(n, 3 or more\); got shape \(0, 3\)"),
        ([cloud[:, :2]], ValueError, r"X\[0\] must be of shape \(n, 3 or more\); got shape \(6, 2\)"),
        ([cloud, cloud[0]], ValueError, r"X\[1\] must be of shape \(n, 3 or more\); got shape \(3,\)"),
        ([cloud, typed], ValueError, r"X\[1\] must be of 3 columns, as X\[0\]; got shape \(6, 5\)"),
        ([typed], ValueError, "X must be clouds of .*; got 5 columns"),
        (
            [cloud, changed(cloud, np.nan)],
            ValueError,
            r"X\[1\] must be finite; got NaN or infinity. Drop those points",
        ),
        ([cloud, changed(cloud, np.inf)], ValueError, r"X\[1\] must be finite"),
        (
            [[[1, 2, 3], [1, 2]]],
            ValueError,
            r"X\[0\] must be an array of numbers; got rows of different lengths",
        ),
        ([cloud + 0j], TypeError, r"X\[0\] must be real; got dtype complex128"),
        ([np.ma.masked_less(cloud, 0)], TypeError, r"X\[0\] must be an array without a mask"),
        (np.ma.masked_less(cloud[None], 0), TypeError, r"X\[0\] must be an array without a mask"),
        ([cloud.astype(object)], TypeError, r"X\[0\] must be of .*; got dtype object"),
        (["abc"], TypeError, r"X\[0\] must be of .*; got dtype str"),
    ],
)
def test_clouds(call, X, error, match):
    model = SphericalInvariants()
    if call == "transform":
        model.fit([cloud])
    with pytest.raises(error, match=match):
        getattr(model, call)(X)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_clouds_of_two_libraries(library):
    xp = pytest.importorskip(library)
    for X in ([cloud, xp.asarray(cloud)], [xp.asarray(cloud), cloud]):
        with pytest.raises(TypeError, match=r"X\[0\] and X\[1\] must be arrays of one library"):
            SphericalInvariants().fit(X)


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"lmax": -1}, ValueError, "lmax must be an integer of at least 0; got -1"),
        ({"lmax": 2.0}, TypeError, "lmax must be an integer; got 2.0"),
        ({"n_radial": 0}, ValueError, "n_radial must be an integer of at least 1; got 0"),
        ({"order": 0}, ValueError, "order must be an integer between 1 and 4; got 0"),
        ({"order": 5}, ValueError, "order must be an integer between 1 and 4; got 5"),
        ({"r_max": 0.0}, ValueError, r"r_max must be a finite number in \(0, inf\]; got 0.0"),
        ({"r_max": np.nan}, ValueError, "r_max must be a finite number"),
        ({"r_max": np.inf}, ValueError, "r_max must be a finite number"),
        ({"r_max": "far"}, TypeError, "r_max must be a number; got 'far'"),
        ({"center": 1}, TypeError, "center must be True or False; got 1"),
        ({"average": "yes"}, TypeError, "average must be True or False; got 'yes'"),
        (
            {"type_column": 2},
            ValueError,
            "type_column must be .*; got 2. The first three columns are coordinates",
        ),
        ({"type_column": 5}, ValueError, "type_column must be below the number of columns, 5; got 5"),
        ({"type_column": -1}, ValueError, "type_column must be"),
        ({"weight_column": "w"}, TypeError, "weight_column must be an integer; got 'w'"),
        (
            {"type_column": 3},
            ValueError,
            "X must be clouds of three coordinates; got 5 columns, 1 of them named. Name the other",
        ),
    ],
)
def test_parameters(parameters, error, match):
    columns = {} if "type_column" in parameters else {"type_column": 3, "weight_column": 4}
    with pytest.raises(error, match=match):
        SphericalInvariants(**(columns | parameters)).fit([typed])


def test_columns_of_clouds_without_any():
    for name in ("type_column", "weight_column"):
        with pytest.raises(ValueError, match=rf"{name} must be below the number of columns, 3; got 3"):
            SphericalInvariants(**{name: 3}).fit([cloud])


def test_types_that_fit_has_not_seen():
    model = SphericalInvariants(type_column=3).fit([typed[:4, :4]])
    with pytest.raises(ValueError, match=r"X must be of the types \[1.0, 2.0\]; got a type 3. Fit on"):
        model.transform([typed[:4, :4], typed[:, :4]])


def test_other_columns_than_in_fit():
    model = SphericalInvariants(type_column=3).fit([typed[:, :4]])
    with pytest.raises(ValueError, match="X must be clouds of 4 columns, as in fit; got 3 columns"):
        model.transform([cloud])


def test_weights_of_nothing():
    weighted = np.column_stack([cloud, np.zeros(6)])
    with pytest.raises(ValueError, match="X must be clouds of some weight; got weights that are all 0"):
        SphericalInvariants(weight_column=3).fit([weighted])
    weighted[:, 3] = 1
    model = SphericalInvariants(weight_column=3, average=True).fit([weighted])
    for weights, dtype in (([1, -1], float), ([0.1, 0.7, -0.8], float), ([0.1, 0.7, -0.8], np.float32)):
        for scale in (1, 1e20):
            weighted[:, 3] = scale * np.resize(weights, 6)
            with pytest.raises(ValueError, match=r"X must be .* some weight; got weights that add up to 0"):
                model.transform([weighted.astype(dtype)])


def test_not_fitted():
    model = SphericalInvariants()
    for call in (lambda: model.transform([cloud]), model.get_feature_names_out):
        with pytest.raises(NotFittedError):
            call()
