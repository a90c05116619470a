"""Tables to fit estimators on, what they answer, and a digest that tells two answers apart."""

import dataclasses
import hashlib

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import get_tags

OUTPUTS = ("transform", "predict", "predict_proba", "decision_function", "score_samples")


def make(cls):
    """Return an instance with default parameters and, where it is random, a fixed seed."""
    estimator = cls()
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    return estimator


def table(estimator, dtype=np.float64, n_samples=120, n_features=6):
    """Return X, rows in random order, columns of unequal variance; and y where the estimator needs one."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)) * np.linspace(3.0, 0.5, n_features)
    tags = get_tags(estimator)
    if tags.input_tags.positive_only:
        X = np.abs(X)
    y = X @ np.linspace(1.0, 2.0, n_features)
    y = (y > np.median(y)).astype(int) if is_classifier(estimator) else y.astype(dtype)
    return X.astype(dtype), y if tags.target_tags.required else None


def answers(estimator, X):
    """Return what a fitted estimator says about X, by method."""
    found = {method: getattr(estimator, method)(X) for method in OUTPUTS if hasattr(estimator, method)}
    if "transform" in found and hasattr(estimator, "inverse_transform"):
        found["inverse_transform"] = estimator.inverse_transform(found["transform"])
    return found


def digest(value):
    """Return a hash that is equal only for bit-identical values, of nested containers and objects too."""
    sha = hashlib.sha256()

    def add(value):
        if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
            value = np.from_dlpack(value)
        if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
            sha.update(f"{value.dtype}{value.shape}".encode())
            sha.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                sha.update(str(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            sha.update(str(len(value)).encode())
            for item in value:
                add(item)
        elif isinstance(value, np.random.Generator):
            add(value.bit_generator.state)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            add({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        elif hasattr(value, "__dict__") and not callable(value):
            add(value.__getstate__())  # not what is kept beside it for speed
        else:
            sha.update(repr(value).encode())

    add(value)
    return sha.hexdigest()
