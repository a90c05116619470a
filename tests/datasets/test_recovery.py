"""Problems of sparse recovery: what they are made of, and how errors are measured."""

import numpy as np
import pytest

from spectralkit.datasets import make_irs_mimo, make_kronecker_sparse
from spectralkit.recovery import kronecker_matvec


def power(values):
    return np.mean(np.abs(values) ** 2)


@pytest.mark.parametrize("n_snapshots", [None, 1, 4])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128, "complex128"])
def test_kronecker_sparse(dtype, n_snapshots):
    made = make_kronecker_sparse(
        [(3, 7), (4, 5), (2, 6)], [2, 1, 3], n_snapshots=n_snapshots, dtype=dtype, rng=0
    )
    columns = () if n_snapshots is None else (n_snapshots,)
    assert made.Y.shape == (24, *columns)
    assert made.coef.shape == (210, *columns)
    assert [d.shape for d in made.dictionaries] == [(3, 7), (4, 5), (2, 6)]
    assert all(array.dtype == np.dtype(dtype) for array in (made.Y, made.coef, *made.dictionaries))
    rows = made.coef.reshape(210, -1)
    np.testing.assert_array_equal(made.support, np.flatnonzero(rows[:, 0]))
    # The support is a Kronecker product, and so is each snapshot.
    places = np.unravel_index(made.support, (7, 5, 6))
    assert [len(np.unique(place)) for place in places] == [2, 1, 3]
    for column in rows.T:
        np.testing.assert_array_equal(np.flatnonzero(column), made.support)
        singular_values = np.linalg.svd(column[made.support].reshape(2, 3), compute_uv=False)
        assert singular_values[1] < 1e-12 * singular_values[0]


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("snr", [-10.0, 5.0, 40])
def test_level_of_the_noise(snr, dtype):
    made = make_kronecker_sparse(snr=snr, n_snapshots=3, dtype=dtype, rng=1)
    clean = kronecker_matvec(made.dictionaries, made.coef)
    assert made.noise_var == pytest.approx(power(clean) / 10 ** (snr / 10), rel=1e-12)
    noise = made.Y - clean
    assert power(noise) == pytest.approx(made.noise_var, rel=0.1)
    if dtype is np.complex128:
        assert power(noise.real) == pytest.approx(made.noise_var / 2, rel=0.15)
        assert abs(np.mean(noise**2)) < 0.1 * made.noise_var


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_entries_are_standard_normal(dtype):
    made = make_kronecker_sparse([(100, 90)], 60, dtype=dtype, n_snapshots=100, rng=2)
    for values in (made.dictionaries[0], made.coef[made.support]):
        assert abs(np.mean(values)) < 0.06
        assert power(values) == pytest.approx(1, abs=0.1)
        if dtype is np.complex128:
            assert power(values.real) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("make", [make_kronecker_sparse, make_irs_mimo])
def test_seeds(make):
    first, second = make(rng=3), make(rng=3)
    np.testing.assert_array_equal(first.Y, second.Y)
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(make(rng=np.random.default_rng(3)).Y, first.Y)
    assert not np.array_equal(make(rng=4).Y, first.Y)
    rng = np.random.default_rng(3)
    assert not np.array_equal(make(rng=rng).Y, make(rng=rng).Y)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    make()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_error_of_coefficients():
    made = make_kronecker_sparse(rng=0)
    assert made.nmse(made.coef) == 0
    assert made.nmse(0 * made.coef) == pytest.approx(1)
    assert made.nmse(3 * made.coef) == pytest.approx(4)
    assert isinstance(made.nmse(made.coef), float)
    made = make_kronecker_sparse(rng=0, dtype=complex, n_snapshots=2)
    assert made.nmse(1j * made.coef) == pytest.approx(2)


def test_paths():
    grid = 18
    for seed in range(30):
        made = make_irs_mimo(rng=seed)
        assert made.Y.shape == (288,)
        assert made.coef.shape == (5832,)
        np.testing.assert_array_equal(made.support, np.flatnonzero(made.coef))
        surface, user, base = (np.unique(p) for p in np.unravel_index(made.support, (grid,) * 3))
        assert (len(surface), len(user), len(base)) == (3, 1, 3)
        # Neighbours, around the circle at the surface.
        assert (np.diff(base) == 1).all()
        assert np.sort((surface[:, None] - surface) % grid, axis=None).max() in (2, 16, 17)
        assert any(set((first + np.arange(3)) % grid) == set(surface) for first in surface)


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_pilots(snr):
    made = make_irs_mimo(snr=snr, n_pilots=30, n_patterns=20, rng=0)
    assert [d.shape for d in made.dictionaries] == [(20, 18), (30, 18), (16, 18)]
    assert [d.shape for d in made.channel_dictionaries] == [(20, 18), (6, 18), (16, 18)]
    clean = kronecker_matvec(made.dictionaries, made.coef)
    assert made.noise_var == pytest.approx(power(clean) / 10 ** (snr / 10), rel=1e-12)
    assert power(made.Y - clean) == pytest.approx(made.noise_var, rel=0.1)
    # Steering vectors have unit length, and are orthogonal on the grid where there are as many antennas.
    for dictionary in made.channel_dictionaries[1:]:
        np.testing.assert_allclose(np.linalg.norm(dictionary, axis=0), 1)
    square = make_irs_mimo(n_base_antennas=18, rng=0).dictionaries[2]
    np.testing.assert_allclose(square.conj().T @ square, np.eye(18), atol=1e-13)
    # The pilots of the user come out of the channel by the symbols alone.
    symbols = np.linalg.lstsq(made.channel_dictionaries[1].T, made.dictionaries[1].T, rcond=None)[0]
    np.testing.assert_allclose(np.abs(symbols), 1 / np.sqrt(6), rtol=1e-10)


def test_error_of_channels():
    made = make_irs_mimo(n_patterns=4, rng=0)
    assert made.nmse(made.coef) == 0
    assert made.nmse(0 * made.coef) == pytest.approx(1)
    wrong = made.coef.copy()
    wrong[(made.support[0] + 7) % 5832] += 0.3 * np.abs(made.coef).max()
    true, found = (kronecker_matvec(made.channel_dictionaries, x).reshape(4, -1) for x in (made.coef, wrong))
    ratios = np.sum(np.abs(found - true) ** 2, axis=1) / np.sum(np.abs(true) ** 2, axis=1)
    assert made.nmse(wrong) == pytest.approx(np.mean(ratios), rel=1e-10)


@pytest.mark.parametrize("options", [{"angle_spread": 18}, {"resolution": 1, "angle_spread": 1}])
def test_extreme_surfaces(options):
    made = make_irs_mimo(rng=0, **options)
    assert np.isfinite(made.Y).all()
    np.testing.assert_array_equal(made.support, np.flatnonzero(made.coef))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"shapes": []}, ValueError, "shapes must be pairs"),
        ({"shapes": [(3,)]}, ValueError, "shapes must be pairs"),
        ({"shapes": [(3, 4, 5)]}, ValueError, "shapes must be pairs"),
        ({"shapes": (3, 4)}, (TypeError, ValueError), "shapes must be pairs"),
        ({"shapes": [(0, 4)]}, ValueError, "shapes must be an integer of at least 1; got 0"),
        ({"shapes": [(3.0, 4)]}, TypeError, "shapes must be an integer; got 3.0"),
        ({"n_nonzero": 0}, ValueError, "n_nonzero must be an integer between 1 and 15; got 0"),
        ({"n_nonzero": 16}, ValueError, "n_nonzero must be an integer between 1 and 15; got 16"),
        ({"n_nonzero": [3, 3]}, ValueError, "n_nonzero must be one integer or 3 of them"),
        ({"n_nonzero": 1.5}, TypeError, "n_nonzero must be an integer; got 1.5"),
        ({"snr": np.nan}, ValueError, "snr must be a finite number"),
        ({"snr": "high"}, TypeError, "snr must be a number; got 'high'"),
        ({"n_snapshots": 0}, ValueError, "n_snapshots must be an integer of at least 1; got 0"),
        ({"dtype": np.float32}, ValueError, "dtype must be one of 'float64', 'complex128'; got 'float32'"),
        ({"rng": "seed"}, TypeError, "rng"),
    ],
)
def test_bad_input(options, error, match):
    with pytest.raises(error, match=match):
        make_kronecker_sparse(**options)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        *(
            ({name: 0}, ValueError, f"{name} must be an integer of at least 1; got 0")
            for name in (
                "n_user_antennas",
                "n_base_antennas",
                "n_elements",
                "resolution",
                "n_pilots",
                "n_patterns",
            )
        ),
        ({"angle_spread": 0}, ValueError, "angle_spread must be an integer between 1 and 18; got 0"),
        ({"angle_spread": 19}, ValueError, "angle_spread must be an integer between 1 and 18; got 19"),
        ({"n_pilots": 2.0}, TypeError, "n_pilots must be an integer; got 2.0"),
        ({"snr": np.inf}, ValueError, "snr must be a finite number"),
        ({"rng": "seed"}, TypeError, "rng"),
    ],
)
def test_bad_input_of_surfaces(options, error, match):
    with pytest.raises(error, match=match):
        make_irs_mimo(**options)
