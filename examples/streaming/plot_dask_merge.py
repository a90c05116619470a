"""
Several workers, one answer: a tree of merges
=============================================

States of streaming methods merge. A data set that lies in parts is fitted part by part, where each part is,
and only the small states travel. Here the workers of a Dask cluster do it; on Ray or Spark the same two
steps, map and reduce, are theirs.
"""

# %%
# Data in parts
# -------------
# A zarr array on disk, one chunk to 8192 rows, with one direction of large variance.

import tempfile

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import zarr
from dask.distributed import Client, LocalCluster

from spectralkit.datasets import make_spiked_stream
from spectralkit.streaming import StreamingPCA, tree_merge

folder = tempfile.TemporaryDirectory()
rows = zarr.open_array(folder.name, mode="w", shape=(65_536, 128), chunks=(8_192, 128), dtype="float32")
make_spiked_stream(*rows.shape, gap=4.0, dtype=np.float32, out=rows, rng=0)

# %%
# A Dask array is a source like any other
# ---------------------------------------
# ``fit`` reduces the blocks of the array in a tree of merges, on whatever scheduler is active. The workers
# are threads of this process, which keeps the script short; workers in other processes or on other machines
# take the same lines.

cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
client = Client(cluster)
table = da.from_zarr(folder.name)

gram = StreamingPCA(1, method="gram").fit(table)
oja = StreamingPCA(1, method="oja", random_state=0).fit(table)

# %%
# The same by hand
# ----------------
# Fit each block where it lies, then merge the results in pairs.

fit = dask.delayed(lambda block: StreamingPCA(1, method="gram").fit(block))
parts = dask.compute(*[fit(block) for block in table.to_delayed().ravel()])
by_hand = tree_merge(parts)
print(f"{len(parts)} parts, {by_hand.n_samples_seen_} rows")

client.close()
cluster.close()

# %%
# What a merge costs
# ------------------
# The exact method merges exactly. Oja's rule does not: merged subspaces are as good as their parts allow.

exact = np.linalg.eigh(np.cov(rows[:].T, dtype=np.float64))[1][:, -1]


def error(estimator):
    """Squared sine of the angle to the exact eigenvector."""
    return 1 - float(estimator.components_[0].astype(np.float64) @ exact) ** 2


answers = {
    "gram, Dask array": gram,
    "gram, merged by hand": by_hand,
    "oja, Dask array": oja,
    "oja, one pass without merging": StreamingPCA(1, method="oja", random_state=0).fit(rows),
}
folder.cleanup()

errors = [max(error(answer), 1e-16) for answer in answers.values()]
figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
ax.semilogx(errors, range(len(errors)), "o", markersize=9)
ax.set_yticks(range(len(errors)), answers)
ax.invert_yaxis()
ax.set(xlabel="error against the exact eigenvector", xlim=(1e-17, 1))
ax.grid(alpha=0.25)
plt.show()
