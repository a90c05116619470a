"""Differential equations solved by spectral mixtures."""

import math
import warnings
from dataclasses import replace

import numpy as np
from scipy.linalg import LinAlgWarning
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from spectralkit._core.checks import (
    check_flag,
    check_integer,
    check_number,
    check_option,
    invalid,
    warn_not_converged,
)
from spectralkit._core.dtypes import output_dtype_name
from spectralkit._core.parallel import block_ranges, one_blas_thread
from spectralkit.base import unchanged_on_error
from spectralkit.gaussian_process._collocation import contract
from spectralkit.gaussian_process._conditions import (
    boundary_types,
    check_determined,
    read_conditions,
    rms,
)
from spectralkit.gaussian_process._dictionary import Lines
from spectralkit.gaussian_process._evidence import fit_evidence
from spectralkit.gaussian_process._identification import (
    N_POLYNOMIALS,
    lines_of,
    noise_level,
    source_signals,
)
from spectralkit.gaussian_process._operators import as_operator, linear_terms
from spectralkit.gaussian_process._pde_arguments import (
    checked_data,
    checked_init,
    checked_modes,
    checked_orders,
    host_array,
    is_uniform,
)
from spectralkit.gaussian_process._solver import STRETCH, TOL_SIGNALS, newton, solve_frame, solve_lines
from spectralkit.gaussian_process._uniqueness import homogeneous_residual, least_on_grid
from spectralkit.gaussian_process._units import in_units, scaled
from spectralkit.gaussian_process._weights import evidence_weights

# Largest change of the logarithm of a variance at which evidence is at its maximum.
_TOL_EVIDENCE = 1e-2
_UNIT = float(np.finfo(np.float64).eps)
# Least standard deviation of the noise in evidence, relative to the source: with less the boundary is lost.
_NOISE_FLOOR = 1e-8
# Rounding errors of data in double precision: of a sine they grow with its argument.
_ROUNDINGS = 100.0
# Largest standard deviation of the noise in evidence, relative to the data: its fourth power is a number.
_MOST_NOISE = 1e50
# Fewest points along a side in evidence: with 10 the noise is explained, and bands cover half of the points.
_EVIDENCE_POINTS = 16
# Residual, relative to the terms, at which noise is no explanation.
_NOTHING = 0.9
# Residual above which a solution is none: what is sampled well enough leaves much less.
_POOR = 1e-5
# Relative residual of a solution without source and data below which an equation is at a resonance: functions
# of one dimension hold one to 1e-10; those of two, and fourth derivatives, to 1e-5.
_RESONANCE, _ROUGH_RESONANCE = 1e-8, 1e-5
# Size on the points, of what is of size 1 between them, below which rounding errors are as good.
_UNSEEN = 1e-9
# Part of the sampling frequency's half above which a line may be the image of one beyond it.
_ALIASING = 0.8
# Bytes of functions at points that are held at once.
_BLOCK_BYTES = 2**26


class AliasingWarning(UserWarning):
    """Points are too far apart: what was found may stand for another solution with the same samples."""


class SpectralMixturePDE(BaseEstimator):
    """
    Solver of differential equations on a box, for solutions of high and of many frequencies.

    For an equation with constant coefficients the frequencies of the solution are those of the source and of
    the boundary data, and given the frequencies the solution is a linear least-squares problem. So nothing is
    trained: frequencies are identified by rotational invariance (`esprit`), and coefficients solved for in
    products over the dimensions. A solution whose spectrum is not made of lines is expanded in a Fourier
    extension instead. With ``init="evidence"`` it is a Gaussian process with a spectral-mixture prior,
    conditioned on a noisy source, that predicts with standard deviations.

    Parameters
    ----------
    operator : {"poisson", "allen_cahn", "advection"} or object, default="poisson"
        The left side of ``L u = f``: ``Σ ∂²u``, ``Σ ∂²u + u (u² - 1)``, ``β ∂u/∂x₀ + ∂u/∂x₁``, or an object
        as described in the notes.
    spectrum : {"gaussian", "student_t"}, default="gaussian"
        Shape of the lines of the prior, as in `spectral_mixture`; it matters to ``init="evidence"`` in one
        dimension.
    n_components : int, default=30
        Largest number of lines: of those identified in each dimension, and of the prior besides a smooth
        background.
    init : {"esprit", "frame", "evidence"} or sequence, default="esprit"
        How the spectrum is found. "esprit" identifies lines and falls back to "frame" where they leave a
        larger residual; "frame" takes equally spaced modes; "evidence" maximises the marginal likelihood. An
        array of angular frequencies, or one for each dimension in a list, is taken as it is.
    beta : float or None, default=None
        Speed of the advection along the first dimension.
    max_newton : int, default=10
        Steps of Newton's method, for equations that are not linear.
    tol : float, default=1e-10
        Relative size of Newton's last step, and the residual at which no other spectrum is tried.
    noise_var : float, default=0.0
        Variance of the noise of the source: what is no larger is not identified. With "evidence" 0 means
        that it is estimated.
    random_state : int, RandomState instance or None, default=None
        Not used: nothing here is random.
    boundary_type : str or sequence of str, default="dirichlet"
        What the boundary data are: "dirichlet" (values), "neumann" (outward derivatives) or "periodic", one
        for all dimensions or one for each. A periodic dimension has both its ends on the grid and no data.
    n_modes : int, sequence of int or None, default=None
        Modes of the frame in each dimension; None takes 0.15 and, where that does not do, 0.25 of the points
        times 1.5, the length of its period over that of the box.
    max_iter : int, default=500
        Most iterations of the evidence.
    nu : float, default=2.5
        Order of the Matérn function, for ``spectrum="student_t"``; greater than the order of the operator.

    Attributes
    ----------
    method_ : str
        "esprit", "frame" or "evidence", and "given" for given frequencies: what the solution came from.
    frequencies_ : list of ndarray
        Angular frequencies in each dimension, ascending.
    coef_ : ndarray
        Coefficients of the expansion, an axis for each dimension; with "evidence" in one dimension those of
        the covariances with the data.
    residual_norm_ : float
        Root mean square of ``L u - f`` on the grid over that of the largest of its terms.
    boundary_residual_ : float
        Largest deviation from the data of a face, relative to them or to the solution.
    rank_ : int
        Rank of the least-squares problem; with "evidence" in one dimension the number of data.
    n_iter_ : int
        Newton steps, or iterations of the evidence; 1 for a linear least-squares problem.
    noise_var_ : float
        Variance of the noise of the source, given or estimated.

    See Also
    --------
    esprit : Frequencies of signals.
    SpectralMixtureKernel : The prior, as a kernel for scikit-learn's Gaussian processes.

    Notes
    -----
    **Lines.** In each dimension the dictionary has polynomials and ``cos ωx``, ``sin ωx``, times polynomials
    where poles are multiple. It is closed under differentiation, and derivatives are exact. The equations on
    the grid are compressed by thin QR factors of each dimension: for n points and p functions in each of d
    dimensions the cost is `O(n^(d+1))` for singular values of the source and `O(p^(3d))` for least squares,
    with memory `O(n^d + p^(2d))`. Such solutions are found to rounding. It is the sampling that has to
    resolve them: a frequency beyond half the sampling frequency appears as a lower one.

    **Frame.** Modes of one and a half times the length, at most a quarter as many as is critical: it holds
    any solution that is analytic up to the boundary.

    **Evidence.** In one dimension, with constant coefficients and a uniform grid, the prior is that of [1]_:
    weights, means and scales of the mixture, and the noise, maximise the marginal likelihood of source and
    boundary, at `O(n^3 + n n_components)` for each evaluation with its gradient. Components are added only
    while the likelihood asks for them: many with free weights explain the noise too, and bands become far too
    narrow. Components of Student-t spectra are rough, and a smooth source takes many of them, and iterations.
    In other problems the prior has lines of zero width, those identified or those of the frame, whichever has
    more evidence, and a weight for each product of lines, by MacKay's iteration; the noise is what the source
    has above half the Nyquist frequency. Standard deviations hold what noise leaves open in the frequencies.
    They do not know of a line whose source is below the noise, which may be large in u; and equations that
    are not linear are linearised.

    **Operators.** An object with ``terms(n_dims)``, which returns ``(coefficient, orders)`` for each linear
    term, the orders of the derivative one for each dimension and the coefficient a number or a function of
    the coordinates; up to order 2, as faces state one value each, or 4 in periodic dimensions; and for an
    equation that is not linear ``nonlinear(u)`` and ``nonlinear_derivative(u)``, which are added. A linear
    equation is searched for a solution without source and data, as that of Helmholtz has at an eigenvalue of
    the box: with up to 190 half-waves in one dimension and 16 along each side in two, whatever the grid, but
    not in three. That takes 0.1 s; where coefficients vary in two dimensions, 0.4 s. Those that are functions
    are called between the points of the grid, too, and if they raise there, there is no search.

    References
    ----------
    .. [1] S. Fang, M. Cooley, D. Long, S. Li, R. M. Kirby and S. Zhe, "Solving high frequency and multi-scale
       PDEs with Gaussian processes", ICLR 2024, arXiv:2311.04465.
    .. [2] B. Adcock and D. Huybrechs, "Frames and numerical approximation", SIAM Review 61(3), 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from spectralkit.gaussian_process import SpectralMixturePDE
    >>> x = np.linspace(0.0, 1.0, 300)
    >>> u = np.sin(3.0 * x) + 0.1 * np.sin(200.0 * x)
    >>> source = -9.0 * np.sin(3.0 * x) - 4000.0 * np.sin(200.0 * x)
    >>> boundary = np.full(300, np.nan)
    >>> boundary[[0, -1]] = u[[0, -1]]
    >>> solver = SpectralMixturePDE().fit((x,), source, boundary)
    >>> solver.frequencies_[0].round(6)
    array([  3., 200.])
    >>> bool(solver.score((x,), u) > -1e-10)
    True
    """

    def __init__(
        self,
        operator="poisson",
        *,
        spectrum="gaussian",
        n_components=30,
        init="esprit",
        beta=None,
        max_newton=10,
        tol=1e-10,
        noise_var=0.0,
        random_state=None,
        boundary_type="dirichlet",
        n_modes=None,
        max_iter=500,
        nu=2.5,
    ):
        self.operator = operator
        self.spectrum = spectrum
        self.n_components = n_components
        self.init = init
        self.beta = beta
        self.max_newton = max_newton
        self.tol = tol
        self.noise_var = noise_var
        self.random_state = random_state
        self.boundary_type = boundary_type
        self.n_modes = n_modes
        self.max_iter = max_iter
        self.nu = nu

    def fit(self, grid, source, boundary=None):
        """
        Solve the equation.

        Parameters
        ----------
        grid : tuple of ndarray
            Coordinates of the points along each dimension, increasing, at least 8, and 16 for
            ``init="evidence"``; uniform for ``init="esprit"``.
        source : ndarray of shape (len(grid[0]), len(grid[1]), ...)
            The right side on the grid.
        boundary : ndarray of the same shape or None, default=None
            Boundary data on the faces of the grid, NaN inside. A face of NaN has no data.

        Returns
        -------
        self : SpectralMixturePDE
            The fitted estimator.

        Raises
        ------
        ValueError
            If shapes do not match, coordinates do not increase, data are not finite, the boundary leaves the
            problem undetermined, a parameter is out of range, or the estimated variance of the noise is. The
            estimator is then what it was before.
        TypeError
            If the arrays are not on the host or of a dtype that is not supported.

        Warns
        -----
        AliasingWarning
            If a frequency is above 0.8 of half the sampling frequency, or if the points of a grid that is not
            uniform do not determine the frame.
        ConvergenceWarning
            If Newton's method or the evidence did not converge, or if no spectrum explains the source.
        scipy.linalg.LinAlgWarning
            If the linear equation of an operator object has a solution without source and data, to a relative
            residual of 1e-8, or of 1e-5 in two dimensions and with fourth derivatives.
        """
        with unchanged_on_error(self):
            problem, noise_std = self._fit(grid, source, boundary)
            self._warn(problem, noise_std)
        return self

    def _fit(self, grid, source, boundary):
        self._check_parameters()
        operator = as_operator(self.operator, self.beta)
        grid, source, boundary = checked_data(grid, source, boundary)
        init, given = checked_init(self.init, len(grid))
        self._dtype = np.dtype(output_dtype_name("source", source.dtype))
        unit = np.finfo(source.dtype).eps if source.dtype.kind == "f" else _UNIT
        rounding = max(4.0 * float(unit), _ROUNDINGS * _UNIT)
        self._is_uniform = all(map(is_uniform, grid))
        x = [axis.astype(np.float64) for axis in grid]
        if self._is_uniform:  # better than single precision tells
            x = [np.linspace(axis[0], axis[-1], len(axis)) for axis in x]
        source = source.astype(np.float64)
        types = boundary_types(self.boundary_type, len(x))
        terms = linear_terms(operator, x)
        orders = [max(orders[axis] for _, orders in terms) for axis in range(len(x))]
        conditions = read_conditions(boundary.astype(np.float64), x, types, orders)
        has_value_term = hasattr(operator, "nonlinear") or any(not any(o) for _, o in terms)
        check_determined(conditions, types, orders, operator, has_value_term)
        self._root, self._posterior = None, None
        if init == "esprit" and not self._is_uniform:
            given = "points that are not equally spaced"
            raise ValueError(invalid("grid", 'uniform for init="esprit"', given, 'Use init="frame".'))
        self._low, self._high = [p[0] for p in x], [p[-1] for p in x]
        problem, self._units = in_units(x, source, terms, operator, conditions)
        given = given and [scaled(omega, k) for omega, k in zip(given, self._units.lengths, strict=True)]
        noise_std = float(self._units.source(math.sqrt(self.noise_var)))
        if init == "evidence":
            self._fit_evidence(problem, noise_std, rounding)
        else:
            noise_std = max(noise_std, rounding * problem.size)
            self._adopt(self._solve(problem, init, given, noise_std))
            self.noise_var_ = float(self.noise_var)
        return problem, noise_std

    def _check_parameters(self):
        check_option("spectrum", self.spectrum, ("gaussian", "student_t"))
        check_integer("n_components", self.n_components, 1)
        check_integer("max_newton", self.max_newton, 1)
        check_integer("max_iter", self.max_iter, 1)
        check_number("nu", self.nu, 0.0, 30.0, open_low=True)
        check_number("tol", self.tol, 0.0, 1.0, open_high=True)
        check_number("noise_var", self.noise_var, 0.0)

    def _solve(self, problem, init, given, noise_std):
        """Return the solution in given or identified lines, or in a frame."""
        newton_options = self.max_newton, self.tol
        if init == "given":
            dictionaries = [
                Lines(x[0], x[-1], omega, np.ones(len(omega), dtype=int), N_POLYNOMIALS)
                for x, omega in zip(problem.grid, given, strict=True)
            ]
            return newton(problem, dictionaries, "given", *newton_options)
        modes = checked_modes(self.n_modes, problem.grid)
        # What noise leaves of the source is no reason to look further.
        accept = max(self.tol, 2.0 * noise_std / max(problem.size, 1e-300))
        solution = None
        if init == "esprit":
            solution = solve_lines(problem, self.n_components, *newton_options, noise_std)
            if solution is not None and solution.error <= accept:
                return solution
        frame = solve_frame(problem, modes, *newton_options, accept)
        return frame if solution is None or frame.error < solution.error else solution

    def _adopt(self, solution):
        """Take over the coefficients of a solution."""
        self._dictionaries = solution.collocation.dictionaries
        self._change = self._newton_change = solution.change
        self.coef_ = scaled(solution.coef, self._units.values)
        self._set_frequencies([d.frequencies for d in self._dictionaries])
        self.residual_norm_ = solution.residual
        self.boundary_residual_ = solution.boundary_residual
        self.rank_ = solution.rank
        self.n_iter_ = solution.n_iter
        self.method_ = solution.method

    def _set_frequencies(self, frequencies):
        pairs = zip(frequencies, self._units.lengths, strict=True)
        self.frequencies_ = [scaled(np.asarray(omega), -k) for omega, k in pairs]

    def _set_noise_var(self, variance):
        """Publish the variance of the noise of the source: that given, or the estimate."""
        exponent = 2 * (self._units.equation + self._units.values)
        self.noise_var_ = float(self.noise_var) or float(scaled(variance, exponent))
        if not math.isfinite(self.noise_var_):
            constraint, given = "within the range of float64", "a larger estimate"
            raise ValueError(invalid("noise_var", constraint, given, "Scale source and boundary."))

    def _fit_evidence(self, problem, noise_std, rounding):
        """Condition a mixture of maximal evidence on the source."""
        if noise_std > _MOST_NOISE:
            constraint = f"at most {_MOST_NOISE**2:g} times the square of the source or the boundary data"
            raise ValueError(invalid("noise_var", constraint, self.noise_var, "Scale it as they are."))
        if min(map(len, problem.grid)) < _EVIDENCE_POINTS:
            constraint = f'of at least {_EVIDENCE_POINTS} points in each dimension for init="evidence"'
            given = f"shape {problem.source.shape}"
            raise ValueError(invalid("grid", constraint, given, "Fewer do not tell noise from a solution."))
        std = noise_std or noise_level(problem.source, problem.grid[0])
        # Below this nothing is told apart; and of zeros nothing is uncertain.
        std = max(std, max(_NOISE_FLOOR, rounding) * problem.size) or 1.0
        if len(problem.grid) == 1 and problem.is_separable and self._is_uniform:
            with one_blas_thread():  # matrices are too small for two
                self._fit_mixture(problem, noise_std, std)
        else:
            self._fit_weights(problem, std)

    def _fit_mixture(self, problem, known_std, noise_std):
        """Condition a process of one variable on the source, by covariances."""
        (x,) = problem.grid
        signals = source_signals(problem.source, 0, noise_std)
        noise = noise_std / max(float(np.abs(problem.source).max()), 1e-300)
        lines = lines_of(signals, x, TOL_SIGNALS, self.n_components, noise)
        terms = [(coefficient, order) for coefficient, (order,) in problem.terms]
        if self.spectrum == "student_t" and 2 * problem.highest >= 2.0 * self.nu:
            constraint = f"greater than the order of the operator, {problem.highest}"
            raise ValueError(invalid("nu", constraint, self.nu))
        posterior = fit_evidence(
            x,
            problem.source,
            terms,
            [(list(c.pieces), float(c.values)) for c in problem.conditions],
            lines.frequencies,
            spectrum=self.spectrum,
            nu=self.nu,
            n_components=self.n_components,
            noise_var=known_std**2,
            max_iter=self.max_iter,
        )
        self._posterior = posterior
        self._smoothness = self.nu if self.spectrum == "student_t" else np.inf
        self._change, self._newton_change = (0.0 if posterior.converged else np.inf), 0.0
        self._set_frequencies([np.sort(posterior.frequencies)])
        self.coef_ = scaled(posterior.coef, self._units.values)
        values = [c * posterior.mean(x, order) for c, order in terms]
        left, scale = problem.source - sum(values), max(problem.size, *map(rms, values))
        self.residual_norm_ = rms(left) / scale if scale > 0.0 else 0.0
        worst = 0.0
        for condition in problem.conditions:
            found = sum(f * posterior.mean(np.array([p]), o)[0] for p, o, f in condition.pieces)
            size = max(abs(float(condition.values)), abs(found), rms(posterior.mean(x)))
            worst = max(worst, abs(found - float(condition.values)) / size if size > 0.0 else 0.0)
        self.boundary_residual_ = worst
        self.rank_ = len(posterior.coef)
        self.n_iter_ = posterior.n_iter
        self._std = math.sqrt(posterior.noise_var)
        self._set_noise_var(posterior.noise_var)
        self.method_ = "evidence"

    def _fit_weights(self, problem, noise_std):
        """Condition lines or modes, whichever have more evidence, on the source, by coefficients."""
        options = self.n_components, self.max_newton, self.tol, noise_std
        candidates = [
            solve_lines(problem, *options, uncertain=True) if self._is_uniform else None,
            solve_frame(problem, checked_modes(self.n_modes, problem.grid), *options[1:3], np.inf),
        ]
        found = []
        for candidate in candidates:
            if candidate is not None:
                # What the functions cannot express is an error like noise.
                std = max(noise_std, rms(candidate.collocation.residual(candidate.coef)[0]))
                options = std, self.max_iter, _TOL_EVIDENCE
                found.append((evidence_weights(candidate.collocation, candidate.coef, *options), candidate))
        posterior, solution = max(found, key=lambda pair: pair[0].log_evidence)
        collocation = solution.collocation
        self._adopt(
            replace(
                solution,
                coef=posterior.mean,
                n_iter=posterior.n_iter,
                change=posterior.change,
                residual=collocation.residual(posterior.mean)[1],
                boundary_residual=collocation.boundary_residual(posterior.mean),
                method="evidence",
            )
        )
        self._root = posterior.root
        self._std, self._newton_change = noise_std, solution.change
        self._set_noise_var(noise_std**2 if problem.size > 0.0 else 0.0)

    def _warn(self, problem, noise_std):
        """Warn of frequencies near the limit of the sampling, and of what did not converge."""
        what, is_evidence = f"{type(self).__name__} ({self.method_})", self.method_ == "evidence"
        for axis, x in enumerate(problem.grid):
            message = self._aliasing(axis, x)
            if message:
                warnings.warn(f"dimension {axis}: {message}", AliasingWarning, stacklevel=3)
        n_dims = len(problem.grid)
        if problem.nonlinear is None and n_dims < 3 and not isinstance(self.operator, str):
            found = homogeneous_residual(problem, self.operator, self._units, STRETCH)
            if found < (_RESONANCE if n_dims == 1 and problem.highest <= 2 else _ROUGH_RESONANCE):
                warnings.warn(
                    f"{what}: to a relative residual of {found:.1e}, the equation has a solution without "
                    "source and data. At a resonance it has no solution with them, or many, of which one was "
                    f"found; near one, errors of both are up to {1.0 / max(found, _UNIT):.1e} times as large "
                    "in the solution. Change the operator or the boundary.",
                    LinAlgWarning,
                    stacklevel=3,
                )
        relative = (self._std if is_evidence else noise_std) / max(problem.size, 1e-300)
        accept = max(_POOR, min(3.0 * relative, _NOTHING))
        newton_tol = 1e-2 if is_evidence else max(self.tol, 1e-6)
        if not max(self.residual_norm_, self.boundary_residual_) <= accept:
            error = max(self.residual_norm_, self.boundary_residual_)
            remedy = (
                "The grid may be too coarse, the solution not smooth, the source noisy (noise_var), or the "
                "data of the boundary may contradict each other."
            )
            warn_not_converged(f"{what}, in its residual,", error, accept, remedy, depth=1)
        elif self._newton_change > newton_tol:
            remedy = "Raise max_newton."
            reached = self._newton_change
            warn_not_converged(f"{what}, by Newton's method,", reached, self.tol, remedy, depth=1)
        elif is_evidence and self._change > _TOL_EVIDENCE:
            warnings.warn(
                f"{what}: the evidence still rises after max_iter={self.max_iter} iterations. Raise it.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _aliasing(self, axis, x):
        """Return why the points of a dimension may stand for another solution, if they may."""
        if self._posterior is not None:  # a mixture that is broad has high frequencies in any case
            return ""
        unit, gap = self._units.lengths[axis], float(np.max(np.diff(x)))
        if isinstance(self._dictionaries[axis], Lines):
            highest = float(np.max(self._dictionaries[axis].frequencies, initial=0.0))
            limit = _ALIASING * math.pi / gap
            if highest > limit:
                return (
                    f"the frequency {scaled(highest, -unit):.4g} is above 0.8 of half the sampling "
                    f"frequency, {scaled(limit, -unit):.4g}, and may be the image of one beyond it. Use a "
                    "finer grid."
                )
        # So does a frame; on points that are equally spaced it has few enough modes.
        elif not self._is_uniform and least_on_grid(self._dictionaries[axis], x) < _UNSEEN:
            return (
                f"points up to {scaled(gap, unit):.4g} apart do not tell the modes of the frame from each "
                "other, and the solution may be another one. Use a grid with smaller gaps, or fewer modes "
                "(n_modes)."
            )
        return ""

    def predict(self, points, return_std=False, derivative=None):
        """
        Evaluate the solution or a derivative of it.

        Parameters
        ----------
        points : tuple of ndarray, or ndarray of shape (n, d)
            A tuple is a grid: one array of coordinates for each dimension. An array holds one point in each
            row; in one dimension it may be of shape (n,).
        return_std : bool, default=False
            Also return standard deviations; only after ``init="evidence"``.
        derivative : tuple of int or None, default=None
            Orders of the derivative, one for each dimension.

        Returns
        -------
        u : ndarray of shape (n,), or that of the grid
            Values, of the dtype of the source.
        std : ndarray of the same shape
            Standard deviations, if ``return_std``.

        Raises
        ------
        ValueError
            If points are outside the box or of the wrong shape, orders are negative, or deviations are asked
            for without evidence.
        """
        check_is_fitted(self)
        orders = checked_orders(derivative, len(self.frequencies_))
        if self._posterior is not None and not orders[0] < self._smoothness:
            constraint = f"of an order below nu, {self._smoothness:g}: there is no other derivative"
            raise ValueError(invalid("derivative", constraint, orders[0]))
        if check_flag("return_std", return_std) and self._root is None and self._posterior is None:
            remedy = f'It is "{self.method_}".'
            raise ValueError(invalid("return_std", 'False unless fitted with init="evidence"', True, remedy))
        with np.errstate(over="ignore", invalid="ignore"):
            shape, columns, mean = self._evaluated(points, orders, return_std)
        exponent = self._units.of(orders)
        mean = self._cast(scaled(mean, exponent)).reshape(shape)
        if not return_std:
            return mean
        with np.errstate(over="ignore", invalid="ignore"):
            std = self._std_at_points(columns, orders)
        return mean, self._cast(scaled(std, exponent + self._units.values)).reshape(shape)

    def _evaluated(self, points, orders, return_std):
        """Return the shape of what is asked for, columns of coordinates, and the mean."""
        if isinstance(points, tuple):
            axes = self._checked_points(points)
            shape = tuple(map(len, axes))
            columns = [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")] if return_std else axes
            if self._posterior is None:
                mean = contract(self.coef_, self._functions(axes, orders))
            else:
                mean = scaled(self._posterior.mean(axes[0], orders[0]), self._units.values)
        else:
            points = host_array("points", points)
            n_dims = len(self.frequencies_)
            if points.ndim == 1 and n_dims == 1:
                points = points[:, None]
            if points.ndim != 2 or points.shape[1] != n_dims:
                constraint = f"a tuple of {n_dims} arrays, or of shape (n, {n_dims})"
                raise ValueError(invalid("points", constraint, f"shape {points.shape}"))
            columns = self._checked_points(tuple(points.T))
            shape, mean = (len(points),), self._at_points(columns, orders)
        return shape, columns, mean

    def score(self, grid, u):
        """
        Return minus the relative error against known values.

        Parameters
        ----------
        grid : tuple of ndarray, or ndarray of shape (n, d)
            Points, as in ``predict``.
        u : ndarray
            Values there.

        Returns
        -------
        float
            ``-‖predicted - u‖ / ‖u‖``, at most 0.
        """
        check_is_fitted(self)
        predicted, u = self.predict(grid), host_array("u", u)
        if u.shape != predicted.shape:
            raise ValueError(invalid("u", f"of shape {predicted.shape}, as the points", f"shape {u.shape}"))
        if u.dtype.kind not in "fiu" or not np.isfinite(u).all():
            given = f"dtype {u.dtype}" if u.dtype.kind not in "fiu" else "NaN or infinity"
            raise ValueError(invalid("u", "real and finite", given))
        size = rms(u)
        return -rms(predicted - u) / size if size > 0.0 else -rms(predicted)

    def _cast(self, values):
        """Return values in the dtype of the source."""
        with np.errstate(over="ignore"):
            values = values.astype(self._dtype, copy=False)
        if not np.isfinite(values).all():
            remedy = "Scale the source, or ask for a lower derivative."
            raise ValueError(invalid("values", f"within the range of {self._dtype}", "larger ones", remedy))
        return values

    def _checked_points(self, axes):
        """Return coordinates in units of their own; outside the box the equation says nothing."""
        if len(axes) != len(self.frequencies_):
            raise ValueError(invalid("points", f"a tuple of {len(self.frequencies_)} arrays", len(axes)))
        found = []
        for axis, (points, low, high) in enumerate(zip(axes, self._low, self._high, strict=True)):
            points = host_array("points", points)
            if points.ndim != 1 or points.dtype.kind not in "fiu":
                given = f"shape {points.shape} and dtype {points.dtype}"
                raise ValueError(invalid("points", "real and one-dimensional along each dimension", given))
            points = points.astype(np.float64)
            slack = 1e-6 * (high - low)  # what single precision loses
            if not (
                np.isfinite(points).all() and (points >= low - slack).all() and (points <= high + slack).all()
            ):
                worst = points[~((points >= low - slack) & (points <= high + slack))][0]
                constraint = f"inside [{low:g}, {high:g}] in dimension {axis}"
                raise ValueError(invalid("points", constraint, float(worst)))
            found.append(scaled(points, -self._units.lengths[axis]))
        return found

    def _functions(self, axes, orders):
        return [d.evaluate(x, order) for d, x, order in zip(self._dictionaries, axes, orders, strict=True)]

    def _at_points(self, columns, orders):
        """Return the expansion at scattered points."""
        if self._posterior is not None:
            return scaled(self._posterior.mean(columns[0], orders[0]), self._units.values)
        parts = []
        for start, stop in block_ranges(len(columns[0]), self._n_rows(self.coef_.size // len(self.coef_))):
            first, *rest = self._functions([c[start:stop] for c in columns], orders)
            value = np.tensordot(first, self.coef_, 1)
            for matrix in rest:
                value = np.einsum("nk,nk...->n...", matrix, value)
            parts.append(value)
        return np.concatenate(parts) if parts else np.zeros(0)

    def _std_at_points(self, columns, orders):
        """Return the posterior's standard deviations at scattered points."""
        if self._posterior is not None:
            return self._posterior.std(columns[0], orders[0])
        parts = []
        for start, stop in block_ranges(len(columns[0]), self._n_rows(2 * self.coef_.size)):
            rows, *rest = self._functions([c[start:stop] for c in columns], orders)
            for matrix in rest:
                rows = (rows[:, :, None] * matrix[:, None, :]).reshape(len(rows), -1)
            parts.append(np.linalg.norm(rows @ self._root.T, axis=1))
        return np.concatenate(parts) if parts else np.zeros(0)

    @staticmethod
    def _n_rows(width):
        return max(1, _BLOCK_BYTES // (8 * width))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags._skip_test = True  # fits a grid, a source and a boundary
        return tags
