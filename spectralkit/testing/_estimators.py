"""Expected failures of scikit-learn's checks, with their reasons."""

# Class name -> {name of the check: reason}. At most ten in the whole library, for ever.
_EXPECTED = {}


def expected_failed_checks(estimator):
    """
    Return the checks of scikit-learn that an estimator of this library is known to fail.

    Pass the function itself to scikit-learn's ``parametrize_with_checks(..., expected_failed_checks=...)``.

    Parameters
    ----------
    estimator : estimator object
        An instance.

    Returns
    -------
    dict
        Names of checks and the reason why each fails.

    See Also
    --------
    sklearn.utils.estimator_checks.parametrize_with_checks : Runs the checks.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from spectralkit.testing import expected_failed_checks
    >>> expected_failed_checks(Ridge())
    {}
    """
    return dict(_EXPECTED.get(type(estimator).__name__, {}))
