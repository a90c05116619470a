"""Print the guide's tables of sparse recovery: ``python docs/recovery_table.py [TABLE...]``."""

import sys
import time
import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ARDRegression
from sklearn.model_selection import cross_val_score

import spectralkit
from spectralkit.datasets import make_irs_mimo, make_kronecker_sparse
from spectralkit.recovery import KroneckerSBL, kronecker_matvec, kronecker_sbl

FAILED = 10.0  # times the error of the oracle in the same trial
TABLES = {
    "gaussian": (
        make_kronecker_sparse,
        200,
        (5, 10, 20, 30),
        {
            '`prune=1e-3`, `"svd"`': {"prune": 1e-3},
            '`prune=1e-2`, `"am"`': {"prune": 1e-2, "method": "am"},
            "default": {},
        },
    ),
    "irs": (
        make_irs_mimo,
        50,
        (4, 12, 20),
        {
            '`prune=0`, `"svd"`': {"prune": 0},
            '`coupling=(0.8, 0, 0.8)`, `"am"`': {"coupling": (0.8, 0, 0.8), "method": "am"},
            "default": {},
        },
    ),
}


def on_true_support(problem):
    """Return the least-squares coefficients on the true support."""
    places = np.unravel_index(problem.support, [H.shape[1] for H in problem.dictionaries])
    inverses = [
        np.linalg.pinv(H[:, np.unique(place)]) for H, place in zip(problem.dictionaries, places, strict=True)
    ]
    coef = np.zeros_like(problem.coef)
    coef[problem.support] = kronecker_matvec(inverses, problem.Y)
    return coef


def errors(make, trials, snr, contenders):
    """Return the errors of each contender and those of the oracle, and the shares of exact supports."""
    found, exact, oracle = {name: [] for name in contenders}, dict.fromkeys(contenders, 0.0), []
    for seed in range(trials):
        problem = make(snr=snr, rng=seed)
        oracle.append(problem.nmse(on_true_support(problem)))
        for name, options in contenders.items():
            result = kronecker_sbl(problem.Y, problem.dictionaries, **options)
            found[name].append(problem.nmse(result.coef))
            exact[name] += np.array_equal(result.support, problem.support) / trials
    return found, oracle, exact


def diabetes():
    """Print how two regressors do on scikit-learn's diabetes table."""
    X, y = load_diabetes(return_X_y=True)
    print("\n| | features kept, of 10 | coefficient of determination, tenfold |\n| --- | --- | --- |")
    for model in (KroneckerSBL(fit_intercept=True), ARDRegression()):
        kept = np.count_nonzero(model.fit(X, y).coef_)
        print(f"| `{type(model).__name__}` | {kept} | {cross_val_score(model, X, y, cv=10).mean():.3f} |")


def regression():
    """Print how they do on random tables of which five columns count, and the ratio of their times."""
    print("\n| rows, columns | error of `ARDRegression` over ours | features kept | its CPU time over ours |")
    print("| --- |" + " --- |" * 3)
    for n, d in ((500, 10), (500, 50), (500, 200), (300, 400)):
        errors, kept, seconds = np.zeros((3, 5, 2))
        truth = np.where(np.arange(d) < 5, 1.0, 0.0)
        for seed in range(5):
            rng = np.random.default_rng(seed)
            X = rng.standard_normal((n, d))
            y = X @ truth + 0.5 * rng.standard_normal(n)
            for i, model in enumerate((KroneckerSBL(fit_intercept=True), ARDRegression())):
                start = time.process_time()
                model.fit(X, y)
                seconds[seed, i] = time.process_time() - start
                errors[seed, i] = np.linalg.norm(model.coef_ - truth)
                kept[seed, i] = np.count_nonzero(model.coef_)
        ratio, slower = (np.median(values[:, 1] / values[:, 0]) for values in (errors, seconds))
        ours, theirs = np.median(kept, axis=0)
        print(f"| {n}, {d} | {ratio:.1f} | {theirs:.0f}, ours {ours:.0f} | {slower:.1f} |")


def main(names):
    """Print the tables."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    for table in names:
        if table not in TABLES:
            {"diabetes": diabetes, "regression": regression}[table]()
            continue
        make, trials, levels, contenders = TABLES[table]
        columns = [errors(make, trials, snr, contenders) for snr in levels]
        print(f"\n| {trials} trials | " + " | ".join(f"{snr} dB" for snr in levels) + " |")
        print("| --- |" + " --- |" * len(levels))
        for what, average in (("median", np.median), ("mean", np.mean)):
            for name in contenders:
                cells = (f"{average(found[name]) / average(oracle):.3g}" for found, oracle, _ in columns)
                print(f"| {what}, {name} | " + " | ".join(cells) + " |")
            cells = (f"{average(oracle):.1e}" for _, oracle, _ in columns)
            print(f"| *{what} of the oracle itself* | " + " | ".join(cells) + " |")
        for name in contenders:
            failed = (
                f"{np.mean(np.divide(found[name], oracle) > FAILED):.1%}" for found, oracle, _ in columns
            )
            print(f"| failures, {name} | " + " | ".join(failed) + " |")
        for name in contenders:
            if not any(exact[name] for *_, exact in columns):
                continue  # keeps every atom
            print(f"| exact supports, {name} | " + " | ".join(f"{e[name]:.1%}" for *_, e in columns) + " |")


if __name__ == "__main__":
    with spectralkit.threads(1):
        main(sys.argv[1:] or [*TABLES, "diabetes", "regression"])
