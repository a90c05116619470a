import numba
import pytest
from threadpoolctl import threadpool_info

import spectralkit
from spectralkit._core.parallel import block_ranges, threads


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_public():
    assert spectralkit.threads is threads


@pytest.mark.parametrize("n", [1, 2])
def test_limits_and_restores(n):
    before = numba.get_num_threads(), blas_threads()
    with threads(n):
        assert numba.get_num_threads() == n
        assert all(count == n for count in blas_threads())
    assert (numba.get_num_threads(), blas_threads()) == before


def test_restores_after_an_error():
    before = numba.get_num_threads(), blas_threads()
    with pytest.raises(ZeroDivisionError), threads(1):
        1 / 0  # noqa: B018
    assert (numba.get_num_threads(), blas_threads()) == before


def test_nests():
    with threads(2), threads(1):
        assert numba.get_num_threads() == 1


def test_more_than_numba_started_with():
    with threads(1000):
        assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS


@pytest.mark.parametrize(
    ("n", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (None, TypeError)]
)
def test_wrong(n, error):
    with pytest.raises(error, match=r"^n must be an integer"), threads(n):
        pass


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [(0, 3, []), (1, 3, [(0, 1)]), (3, 3, [(0, 3)]), (7, 3, [(0, 3), (3, 6), (6, 7)])],
)
def test_block_ranges(n, size, expected):
    assert list(block_ranges(n, size)) == expected
