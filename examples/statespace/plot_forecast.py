"""
Forecasting a stream from few states
====================================

A noisy series is summed up in a few numbers at each step, and a linear function of them forecasts it.
The fit is in closed form; the fitted model then runs over the stream in pieces of any size.
"""

# %%
# The series
# ----------
# The equation of Mackey and Glass, ``x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - x(t) / 10``, models the
# production of blood cells: each generation answers to a level of some time ago, and what comes of it
# is chaotic. Here with steps of one unit of time, and noise of a tenth of the standard deviation on
# each value. Wanted is the value 15 steps ahead.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Ridge

from spectralkit.statespace import StateSpaceRegressor, diagonal_scan

BLUE, ORANGE = "#0072B2", "#E69F00"


def mackey_glass(steps, inner=10):
    """Return the solution at whole times, by the method of Runge and Kutta from one delay to the next."""
    h, delay = 1.0 / inner, 17 * inner
    x = np.full(steps * inner + delay + 1, 1.2)

    def rate(now, before):
        return 0.2 * before / (1 + before**10) - 0.1 * now

    for i in range(delay, len(x) - 1):
        old, new = x[i - delay], x[i - delay + 1]
        a = rate(x[i], old)
        b = rate(x[i] + h / 2 * a, (old + new) / 2)
        c = rate(x[i] + h / 2 * b, (old + new) / 2)
        d = rate(x[i] + h * c, new)
        x[i + 1] = x[i] + h / 6 * (a + 2 * b + 2 * c + d)
    return x[delay + 1 :: inner][:steps]


ahead, tuning, training = 15, 4000, 5000
x = mackey_glass(8500)[500:]
x = (x - x.mean()) / x.std()
seen = x + 0.1 * np.random.default_rng(1).standard_normal(len(x))
target = np.append(seen[ahead:], np.full(ahead, np.nan))
truth = np.append(x[ahead:], np.full(ahead, np.nan))


def error(forecast, start, stop):
    """Return the root mean square error against values without noise, in standard deviations."""
    return np.sqrt(np.mean((forecast[start:stop] - truth[start:stop]) ** 2))


# %%
# States against lags
# -------------------
# The peer is the ordinary autoregression: ridge on the last p values, p coefficients. The states have n
# coefficients, and one number to choose: dt, a step in units of the memory. It is chosen on the last
# fifth of the training series; for the lags the best penalty of three is taken on the test series
# itself.


def by_states(n, dt, stop):
    """Return a model with n states at one scale, fitted to the series up to a step."""
    model = StateSpaceRegressor(n, dt_min=dt, dt_max=dt, n_scales=1, alpha=1e-2, per_step=True)
    return model.fit(seen[None, : stop - ahead], target[None, : stop - ahead])


def forecast_of(model):
    """Return what a fitted model says after each step of the whole series."""
    return diagonal_scan(*model.recurrence(), seen).y + model.intercept_


def by_lags(p, alpha):
    """Return the forecasts of ridge regression on the last p values."""
    lags = np.lib.stride_tricks.sliding_window_view(np.append(np.zeros(p - 1), seen), p)
    ridge = Ridge(alpha=alpha).fit(lags[p : training - ahead], target[p : training - ahead])
    return ridge.predict(lags)


sizes, more = (8, 16, 32, 64, 128), (256, 512)
test = training, len(x) - ahead
states, models = [], {}
for n in sizes:
    steps = 0.005, 0.01, 0.02, 0.05
    tuned = {dt: error(forecast_of(by_states(n, dt, tuning)), tuning, training - ahead) for dt in steps}
    best = min(tuned, key=tuned.get)
    models[n] = by_states(n, best, training)
    states.append(error(forecast_of(models[n]), *test))
    print(f"{n:3d} states, dt = {best}: error {states[-1]:.3f}")
lags = []
for p in sizes + more:
    lags.append(min(error(by_lags(p, alpha), *test) for alpha in (1, 10, 100)))
    print(f"{p:3d} lags: error {lags[-1]:.3f}")

# %%
# The fitted model on the stream
# ------------------------------
# ``recurrence`` returns the model as a diagonal recurrence. Values that come in pieces go through it
# piece by piece, and the state is all that is kept in between: forecasts are those of one pass, to the
# last bit.

A_bar, B_bar, C = models[64].recurrence()
state, pieces = None, []
for piece in np.array_split(seen, 37):
    y, state = diagonal_scan(A_bar, B_bar, C, piece, x0=state)
    pieces.append(y + models[64].intercept_)
forecast = np.concatenate(pieces)
print(f"differences to one pass: {np.sum(forecast != forecast_of(models[64]))} of {len(forecast)}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=[1, 1.5])
left.loglog(sizes + more, lags, "s--", color=ORANGE, label="last values, ridge")
left.loglog(sizes, states, "o-", color=BLUE, label="states, StateSpaceRegressor")
left.set(xlabel="coefficients of the model", ylabel="error, in standard deviations", ylim=(0.25, 0.8))
left.set_xticks(sizes + more, map(str, sizes + more))
left.set_yticks([0.25, 0.3, 0.4, 0.5, 0.6, 0.8], ["0.25", "0.3", "0.4", "0.5", "0.6", "0.8"])
left.minorticks_off()
left.legend(frameon=False, loc="upper right", fontsize=9)
left.set_title(f"{ahead} steps ahead, {test[1] - test[0]} forecasts", fontsize=11)

shown = np.arange(6300, 6700)
right.plot(shown, seen[shown], ".", color="0.7", ms=4, label="series, with noise")
right.plot(shown, x[shown], color="black", linewidth=0.9, label="without")
right.plot(
    shown, forecast[shown - ahead], color=BLUE, linewidth=1.6, label=f"forecast of {ahead} steps before"
)
right.set(xlabel="step", xlim=(shown[0], shown[-1]), ylim=(-3, 4))
right.legend(frameon=False, loc="upper left", ncols=3, fontsize=9)
right.set_title("64 states", fontsize=11)
for ax in (left, right):
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
