"""Reports from long work: what a callback receives, who calls it, and a progress bar."""

import time
from dataclasses import dataclass

from spectralkit._core.checks import invalid


@dataclass(frozen=True)
class IterationInfo:
    """
    What a callback receives at every iteration.

    The record is small and is made once per iteration or block of rows, so its cost does not show. A
    callback that returns True stops the work: the function then returns what it has, with
    ``converged=False`` where it has that field.

    Attributes
    ----------
    iteration : int
        Number of the iteration that has ended, from 1.
    figure : float
        The figure on which the method stops (named in its documentation): an error, a residual, a gap.
    elapsed : float
        Seconds since the call began.

    See Also
    --------
    spectralkit.callbacks.progress_bar : A callback that shows a bar.

    Examples
    --------
    >>> from spectralkit.callbacks import IterationInfo
    >>> stop_when_small = lambda info: info.figure < 1e-3
    >>> stop_when_small(IterationInfo(iteration=7, figure=1e-4, elapsed=0.2))
    True
    """

    iteration: int
    figure: float
    elapsed: float


def reporter(callback):
    """Return ``report(iteration, figure)``, which calls back and says whether to stop.

    The clock starts here. Without a callback the report costs one function call.
    """
    if callback is None:
        return lambda iteration, figure: False
    if not callable(callback):
        raise TypeError(invalid("callback", "a callable or None", f"type {type(callback).__name__}"))
    start = time.perf_counter()

    def report(iteration, figure):
        info = IterationInfo(int(iteration), float(figure), time.perf_counter() - start)
        return bool(callback(info))  # bool, because a comparison of NumPy numbers gives numpy.True_

    return report


def progress_bar(total=None, **options):
    """
    Return a callback that shows a progress bar.

    The bar counts iterations and shows the latest figure; tqdm draws it, in terminals and notebooks, at
    most ten times a second. Used in a ``with`` statement it is closed at the end.

    Parameters
    ----------
    total : int, optional
        Number of iterations expected, for instance ``max_iter``. Without it the bar counts only.
    **options
        Passed on to ``tqdm.tqdm``: ``desc``, ``leave``, ``file``, ``disable`` and so on.

    Returns
    -------
    ProgressBar
        An object to pass as ``callback=``. It never asks to stop.

    Raises
    ------
    ImportError
        If tqdm is not installed.

    See Also
    --------
    spectralkit.callbacks.IterationInfo : What a callback of your own receives.

    Examples
    --------
    >>> import io
    >>> from spectralkit.callbacks import IterationInfo, progress_bar
    >>> screen = io.StringIO()
    >>> with progress_bar(total=2, desc="fit", file=screen) as callback:
    ...     for iteration in (1, 2):
    ...         stop = callback(IterationInfo(iteration, figure=0.5, elapsed=0.1))
    >>> "2/2" in screen.getvalue()
    True
    """
    return ProgressBar(total, options)


class ProgressBar:
    """The callback that ``progress_bar`` returns; a context manager that closes its bar."""

    def __init__(self, total, options):
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("progress_bar needs tqdm; install it with pip install tqdm.") from error
        self._bar = tqdm(total=total, **options)

    def __call__(self, info):
        self._bar.set_postfix(figure=f"{info.figure:.3g}", refresh=False)
        self._bar.update(info.iteration - self._bar.n)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._bar.close()
