"""Print a digest of every table estimator's fit with 1 and with 2 numba threads; run by test_determinism."""

import json
import warnings

from threadpoolctl import threadpool_limits

import spectralkit
from spectralkit._core import parallel

# Every kernel that can run in parallel then does, on a table that takes no time. Before anything else is
# imported, because modules copy the number.
parallel.PARALLEL_THRESHOLD = 0

from tests.common.data import answers, digest, make, table  # noqa: E402
from tests.common.discovery import table_estimators  # noqa: E402


def main():
    """Fit, and print the digests as JSON."""
    warnings.simplefilter("ignore", UserWarning)
    found = {}
    for name, cls in table_estimators().items():
        for n in (1, 2):
            with spectralkit.threads(n), threadpool_limits(1, user_api="blas"):
                estimator = make(cls)
                X, y = table(estimator, n_samples=1000)
                estimator.fit(X, y)
                found.setdefault(name, []).append(digest([estimator, answers(estimator, X)]))
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
