"""
An epidemic with uncertain rates
================================

A differential equation whose rates are known within ranges gives a curve for each choice of rates. One
surrogate of the whole curve gives its mean, its spread, and which rate the spread is owed to, at each time.
"""

# %%
# The equation
# ------------
# Susceptible, exposed, infected and recovered people: contacts infect at the rate β, the exposed fall ill at
# the rate σ, the infected recover at the rate γ, and at first a share of the people is exposed. All four are
# uncertain: β, σ and γ, per day, are uniform in their ranges, and so is the logarithm of the share.

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

from spectralkit.sampling import OptimalWeightedLeastSquares, TensorPolynomialBasis

names = ["contacts β", "onset σ", "recovery γ", "exposed at first"]
low = np.array([0.3, 0.15, 0.1, np.log(0.001)])
high = np.array([0.5, 0.35, 0.2, np.log(0.01)])
days = np.arange(1, 151)


def infected(X):
    """Return the percentage of infected people on each day, a row for each row of inputs between -1 and 1."""
    beta, sigma, gamma, exposed = (low + (X + 1) / 2 * (high - low)).T
    exposed = np.exp(exposed)

    def rate(_, state):
        s, e, i = state.reshape(3, -1)
        return np.concatenate([-beta * s * i, beta * s * i - sigma * e, sigma * e - gamma * i])

    start = np.concatenate([1 - exposed, exposed, np.zeros_like(exposed)])
    solution = solve_ivp(rate, (0, days[-1]), start, t_eval=days, rtol=1e-6, atol=1e-9)
    return 100 * solution.y.reshape(3, -1, len(days))[2]


# %%
# A surrogate of the curve
# ------------------------
# Polynomials of total degree 5 in four variables are 126 functions. ``fit_function`` takes all 150 days as
# so many outputs of one function: one set of 252 points, each one solution of the equation, and one fit.

basis = TensorPolynomialBasis("legendre", 5, n_dims=4)
surrogate = OptimalWeightedLeastSquares(basis, random_state=0).fit_function(infected)
moments = surrogate.conditional_moments()
deviation = np.sqrt(moments.variance)
n = len(surrogate.X_)
print(f"{n} solutions, smallest eigenvalue of the Gram matrix {surrogate.stability_:.2f}")

# %%
# Mean and spread
# ---------------
# The reference are 20 160 solutions, 80 times as many as the surrogate had. Cut into 80 parts they also say
# how far off a mean and a standard deviation of 252 random solutions are.

parts = np.array([infected(basis.sample_measure(n, seed)) for seed in range(80)])
reference = parts.reshape(-1, len(days))
mean, spread = reference.mean(axis=0), reference.std(axis=0)

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
for curve in reference[:40]:
    left.plot(days, curve, color="0.8", linewidth=0.6, zorder=0)
left.fill_between(
    days,
    moments.mean - deviation,
    moments.mean + deviation,
    color="#0072B2",
    alpha=0.25,
    linewidth=0,
    label="surrogate, mean ± standard deviation",
)
left.plot(days, moments.mean, color="#0072B2")
left.plot(days, mean, ":", color="black", label="the same of 20 160 solutions")
left.plot(days, mean - spread, ":", color="black")
left.plot(days, mean + spread, ":", color="black")
left.set(xlabel="day", ylabel="infected, per cent", ylim=(-1, 38))
left.legend(frameon=False, loc="upper right")

pairs = {
    "mean": (moments.mean, parts.mean(axis=1), mean, "-"),
    "standard deviation": (deviation, parts.std(axis=1), spread, "--"),
}
for name, (ours, random, truth, style) in pairs.items():
    missed = np.sqrt(np.mean((random - truth) ** 2, axis=0))
    right.semilogy(days, missed, style, color="#E69F00", label=f"{name}, {n} random solutions")
    right.semilogy(days, np.abs(ours - truth), style, color="#0072B2", label=f"{name}, surrogate")
    print(f"{name}: largest error {np.abs(ours - truth).max():.3f}, random solutions {missed.max():.3f}")
right.semilogy(days, spread / len(reference) ** 0.5, color="0.6", label="standard error of the reference")
right.set(xlabel="day", ylabel="error, per cent of the people", ylim=(1e-4, 2))
right.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
for ax in (left, right):
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Single curves
# -------------
# Mean and deviation are sums over coefficients, and more exact than single curves are. Root mean square
# errors of those, as a share of the spread on the day:

X = basis.sample_measure(1000, 1000)
residual = np.sqrt(np.mean((surrogate.predict(X) - infected(X)) ** 2, axis=0))
for day in (10, 30, 60, 90, 120, 150):
    print(f"day {day:3d}: {residual[day - 1] / spread[day - 1]:.3f}")

# %%
# Which rate it is
# ----------------
# First-order Sobol indices for each day, from the same coefficients. What is left above them are joint
# effects.

figure, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
ax.stackplot(days, moments.sobol.T, colors=colours, labels=names, alpha=0.85)
ax.set(xlabel="day", ylabel="share of the variance", xlim=(1, 150), ylim=(0, 1))
ax.spines[["top", "right"]].set_visible(False)
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
plt.show()
