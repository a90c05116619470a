import numpy as np
import pytest

from spectralkit.testing import assert_mergeable

BLOCKS = list(np.random.default_rng(0).standard_normal((10, 5, 3)))


class Moments:
    """An estimator of the mean that merges in place."""

    def __init__(self):
        self.n, self.total = 0, np.zeros(3)

    def partial_fit(self, X):
        self.n += len(X)
        self.total = self.total + X.sum(axis=0)
        return self

    def merge(self, other):
        self.n += other.n
        self.total = self.total + other.total
        return self

    def mean(self):
        return self.total / self.n


def test_estimator():
    assert assert_mergeable(Moments, BLOCKS, Moments.mean, tol=1e-14) < 1e-14


def test_state_and_tuple():
    error = assert_mergeable(
        lambda: (0, np.zeros(3)),
        BLOCKS,
        lambda state: state,
        update=lambda state, block: (state[0] + len(block), state[1] + block.sum(axis=0)),
        merge=lambda a, b: (a[0] + b[0], a[1] + b[1]),
        tol=1e-13,
        workers=(3, 20),
    )
    assert 0 < error < 1e-13


class NotCommutative(Moments):
    def merge(self, other):
        if self.n == 0 or other.n == 0:
            return super().merge(other)
        self.total = self.total + self.n / (self.n + 1) * other.total
        self.n += other.n
        return self


class ForgetsOther(Moments):
    def merge(self, other):
        return self


class Steals(Moments):
    def merge(self, other):
        super().merge(other)
        other.total = other.total * 0
        return self


class NoIdentity(Moments):
    def merge(self, other):
        if other.n == 0:
            self.total = self.total + 1
        return super().merge(other)


class GivesNaN(Moments):
    def merge(self, other):
        super().merge(other)
        self.total = self.total * np.nan
        return self


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (NotCommutative, "workers against one pass|against merge"),
        (ForgetsOther, "2 workers against one pass"),
        (Steals, "b after merge"),
        (NoIdentity, "empty"),
        (GivesNaN, "relative error nan"),
    ],
)
def test_faults_are_found(make, message):
    with pytest.raises(AssertionError, match=message):
        assert_mergeable(make, BLOCKS, Moments.mean, tol=1e-12)


def test_order_is_found_without_one_pass():
    with pytest.raises(AssertionError, match="merge\\(b, a\\)"):
        assert_mergeable(NotCommutative, BLOCKS, Moments.mean, tol=1e-12, workers=(1,))


def test_too_few_blocks():
    with pytest.raises(ValueError, match=r"^blocks must be at least three; got 2\.$"):
        assert_mergeable(Moments, BLOCKS[:2], Moments.mean, tol=1.0)
