"""Random generators, and one child stream for each fixed block of work."""

import numbers

import numpy as np

from spectralkit._core.checks import invalid


def as_rng(rng, name="rng"):
    """Return a ``numpy.random.Generator`` from None, an int, a Generator or a RandomState."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, np.random.RandomState):
        return np.random.default_rng(rng.randint(0, 2**32, size=4, dtype=np.uint64))
    if rng is None:
        return np.random.default_rng()
    constraint = "None, a non-negative integer or a numpy.random.Generator"
    if not isinstance(rng, numbers.Integral) or isinstance(rng, bool):
        raise TypeError(invalid(name, constraint, rng))
    if rng < 0:
        raise ValueError(invalid(name, constraint, rng))
    return np.random.default_rng(int(rng))


def as_entropy(rng, name="rng"):
    """Return 63 random bits that stand for ``rng`` in a state that can be saved."""
    if isinstance(rng, numbers.Integral) and not isinstance(rng, bool) and 0 <= rng < 2**63:
        return int(rng)
    return int(as_rng(rng, name).integers(2**63))


def block_rng(entropy, *index):
    """Return the generator of one block of work: the same for any thread, worker or order of blocks."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=index)))
