from sklearn.linear_model import Ridge

from spectralkit.testing import _estimators, expected_failed_checks


def test_nothing_is_expected_of_strangers():
    assert expected_failed_checks(Ridge()) == {}


def test_registry(monkeypatch):
    monkeypatch.setitem(_estimators._EXPECTED, "Ridge", {"check_something": "because it cannot hold"})
    found = expected_failed_checks(Ridge())
    assert found == {"check_something": "because it cannot hold"}
    found.clear()  # a copy
    assert expected_failed_checks(Ridge())
