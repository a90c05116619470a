import numpy as np
import pytest

from spectralkit._core.random import as_entropy, as_rng, block_rng


def test_same_int_same_numbers():
    assert as_rng(7).random() == as_rng(np.int64(7)).random() == np.random.default_rng(7).random()


def test_generator_is_used_as_it_is():
    rng = np.random.default_rng(0)
    assert as_rng(rng) is rng


def test_random_state_is_advanced():
    state = np.random.RandomState(0)
    first, second = as_rng(state).random(), as_rng(state).random()
    assert first != second
    assert first == as_rng(np.random.RandomState(0)).random()


def test_none_differs():
    assert as_rng(None).random() != as_rng(None).random()


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), *((w, TypeError) for w in (1.5, "0", True, [1]))]
)
def test_wrong(wrong, error):
    with pytest.raises(error, match=r"^rng must be None, a non-negative integer or a numpy"):
        as_rng(wrong)
    with pytest.raises(error, match=r"^random_state must be None"):
        as_entropy(wrong, "random_state")


def test_entropy():
    assert as_entropy(7) == 7
    assert type(as_entropy(np.uint8(7))) is int
    for rng in (None, np.random.default_rng(0), 2**70):
        assert 0 <= as_entropy(rng) < 2**63
    assert as_entropy(2**70) == as_entropy(2**70)


def test_block_streams():
    draws = {index: block_rng(5, *index).random() for index in [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]}
    assert len(set(draws.values())) == len(draws)
    assert block_rng(5, 1, 0).random() == draws[1, 0]
    assert block_rng(6, 1, 0).random() != draws[1, 0]


def test_blocks_are_independent():
    draws = np.stack([block_rng(0, block).standard_normal(10_000) for block in range(8)])
    correlation = np.corrcoef(draws)[np.triu_indices(8, 1)]
    # Standard error 1/sqrt(10000): 28 pairs within 4.5 of them.
    assert np.abs(correlation).max() < 4.5e-2
