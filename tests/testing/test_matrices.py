import builtins

import numpy as np
import pytest
from hypothesis import given

from spectralkit.testing import check_ratio, matrices, matrix_grid, prescribed_matrix


@given(matrices(rows=(1, 12), columns=(1, 12), dtypes=("float32", "float64", "complex64", "complex128")))
def test_singular_values_are_the_prescribed_ones(case):
    A = case.matrix
    assert np.isfinite(A).all()
    s = np.linalg.svd(A, compute_uv=False)
    assert np.all(np.diff(case.spectrum) <= 0)
    assert case.spectrum[0] <= case.scale * (1 + 1e-12)
    check_ratio(np.max(np.abs(s - case.spectrum)), case.spectrum[0], max(A.shape), A.dtype)


@given(matrices(rows=(1, 12), kinds=("symmetric", "positive"), dtypes=("float32", "complex128")))
def test_eigenvalues_are_the_prescribed_ones(case):
    A = case.matrix
    np.testing.assert_array_equal(A, A.conj().T)
    largest = np.max(np.abs(case.spectrum))
    found = np.linalg.eigvalsh(A / case.scale)
    check_ratio(np.max(np.abs(found - case.spectrum / case.scale)), largest / case.scale, len(A), A.dtype)
    if case.kind == "positive":
        assert (case.spectrum > 0).all()


MODES = {
    1: [1, 0.01, 0.01, 0.01, 0.01],
    2: [1, 1, 1, 1, 0.01],
    3: [1, 10**-0.5, 0.1, 10**-1.5, 0.01],
    4: [1, 0.7525, 0.505, 0.2575, 0.01],
}


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode):
    np.testing.assert_allclose(
        prescribed_matrix(5, mode=mode, cond=100, rng=0).spectrum, MODES[mode], rtol=1e-14
    )


def test_random_modes():
    s = prescribed_matrix(300, mode=5, cond=1e4, rng=0).spectrum
    assert 1e-4 <= s.min() < 2e-4
    assert np.median(np.log10(s)) == pytest.approx(-2, abs=0.3)
    s = prescribed_matrix(300, mode=6, cond=1e4, rng=0).spectrum
    assert np.median(s) == pytest.approx(0.5, abs=0.13)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (0, 3), (3, 0)])
@pytest.mark.parametrize("mode", range(1, 7))
def test_small_shapes(shape, mode):
    case = prescribed_matrix(*shape, mode=mode, rng=0)
    assert case.matrix.shape == shape
    assert case.spectrum.shape == (min(shape),)


def test_scales():
    tiny, huge = (prescribed_matrix(4, scale=scale, dtype="float32", rng=0) for scale in ("tiny", "huge"))
    limits = np.finfo(np.float32)
    assert tiny.scale == limits.tiny / limits.eps / 4
    assert tiny.scale * huge.scale == 1
    with np.errstate(all="ignore"):
        assert (tiny.matrix**2).max() == 0
        assert np.isinf((huge.matrix**2).max())
    np.testing.assert_allclose(tiny.matrix / tiny.scale, huge.matrix / huge.scale, rtol=1e-6)


def test_same_seed_same_matrix():
    first, second, other = (prescribed_matrix(4, rng=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.matrix, second.matrix)
    assert (first.matrix != other.matrix).all()
    assert first.seed == 0


def test_orthogonal_factors_are_uniform():
    """The first left singular vector has no preferred sign or place: its mean over seeds is near zero."""
    vectors = [np.linalg.svd(prescribed_matrix(3, rng=seed).matrix)[0][:, 0] for seed in range(400)]
    second_moment = np.mean([np.outer(v, v) for v in vectors], axis=0)
    # Standard error of the diagonal: sqrt(4/45/400) = 0.015.
    np.testing.assert_allclose(second_moment, np.eye(3) / 3, atol=4.5 * 0.015)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"m": -1}, ValueError, "m must be"),
        ({"mode": 7}, ValueError, "mode must be"),
        ({"cond": 0.5}, ValueError, "cond must be"),
        ({"kind": "diagonal"}, ValueError, "kind must be"),
        ({"dtype": int}, ValueError, "dtype must be"),
        ({"scale": "small"}, ValueError, "scale must be"),
        ({"scale": 0.0}, ValueError, "scale must be"),
        ({"n": 4, "kind": "positive"}, ValueError, "n must be equal to m"),
        ({"m": 2.5}, TypeError, "m must be"),
    ],
)
def test_wrong(changes, error, message):
    with pytest.raises(error, match=f"^{message}"):
        prescribed_matrix(**{"m": 3, **changes})


def test_grid():
    cases = list(matrix_grid(sizes=(1, (3, 2)), dtypes=("float64", "complex64")))
    assert len(cases) == 2 * 2 * 6 * 3 * 3
    assert {case.matrix.shape for case in cases} == {(1, 1), (3, 2)}
    assert {str(case.matrix.dtype) for case in cases} == {"float64", "complex64"}
    assert len({case.seed for case in cases}) == len(cases)
    assert all(np.isfinite(case.matrix).all() for case in cases)


def test_report_shows_the_recipe():
    text = repr(prescribed_matrix(20, mode=2, rng=7))
    assert "mode: 2" in text
    assert "seed: 7" in text
    assert "array 20x20, float64" in text


def test_without_hypothesis(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("hypothesis"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install hypothesis"):
        matrices()
