"""Print the failures of scikit-learn's array-API checks by estimator; run by test_namespaces."""

import json
import unittest
import warnings

from sklearn.utils.estimator_checks import estimator_checks_generator

from tests.common.discovery import declared_array_api

# scikit-learn wants ValueError with its own wording where libraries are mixed; this library raises TypeError
# as for every wrong type, and test_namespaces says so.
NOT_OURS = "check_array_api_same_namespace"
LIBRARIES = ("array_api_strict", "torch")


def main():
    """Run the checks, and print what failed as JSON."""
    warnings.simplefilter("ignore")
    failures = {name: [] for name in declared_array_api()}
    for name, cls in declared_array_api().items():
        for estimator, check in estimator_checks_generator(cls()):
            function, options = getattr(check, "func", check), getattr(check, "keywords", {})
            if options.get("array_namespace") not in LIBRARIES or function.__name__ == NOT_OURS:
                continue
            try:
                check(estimator)
            except unittest.SkipTest:
                continue
            except Exception as error:
                failures[name].append(f"{function.__name__} {options}: {type(error).__name__}: {error}")
    print(json.dumps(failures))  # noqa: T201


if __name__ == "__main__":
    main()
