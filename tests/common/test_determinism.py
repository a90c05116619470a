"""Bit-identical fits: with 1 and 2 numba threads, with a cold and a warm cache."""

import pytest

from tests.common.discovery import table_estimators
from tests.common.process import run_module


@pytest.fixture(scope="module")
def digests(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("kernels"))
    return [run_module("tests.common.determinism", NUMBA_CACHE_DIR=folder) for _ in range(2)]


@pytest.mark.parametrize("name", table_estimators())
def test_threads_and_cache_change_no_bit(name, digests):
    cold, warm = (found[name] for found in digests)
    assert cold[0] == cold[1], "1 and 2 threads differ"
    assert cold == warm, "cold and warm caches differ"
