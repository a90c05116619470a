"""Peers of `spectralkit.transport`; those of Sinkhorn return their plan."""


def ssns(a, b, C, reg, *, tol=1e-10, max_iter=1000):
    """regot's safe and sparse Newton method, the strongest peer; ``C`` in Fortran order."""
    from regot import sinkhorn_ssns

    return sinkhorn_ssns(C, a, b, reg, tol, max_iter).plan


def sparse_newton(a, b, C, reg, *, tol=1e-10, max_iter=1000):
    """regot's Sinkhorn-Newton-Sparse; ``C`` in Fortran order. Returns the plan and the iterations."""
    from regot import sinkhorn_sparse_newton

    result = sinkhorn_sparse_newton(C, a, b, reg, tol, max_iter)
    return result.plan, result.niter


def pot_sinkhorn(a, b, C, reg, *, tol=1e-9, max_iter=1000):
    """POT's default solver of the entropic problem, by Sinkhorn's scalings."""
    import ot

    return ot.sinkhorn(a, b, C, reg, stopThr=tol, numItermax=max_iter)


def pot_stabilized(a, b, C, reg, *, tol=1e-6, max_iter=100_000):
    """POT's scalings with absorption into the potentials."""
    from ot.bregman import sinkhorn_stabilized

    return sinkhorn_stabilized(a, b, C, reg, stopThr=tol, numItermax=max_iter)


def emd(a, b, C, *, max_iter=10_000_000):
    """POT's network simplex, exact and without regularisation."""
    import ot

    return ot.emd(a, b, C, numItermax=max_iter)


def sliced(X, Y, theta, a=None, b=None, *, p=2):
    """POT's sliced Wasserstein distance along given directions, rows of ``theta``; returns its p-th power."""
    import ot

    log = ot.sliced.sliced_wasserstein_distance(X, Y, a, b, p=p, projections=theta.T, log=True)[1]
    return float(log["projected_emds"].mean())
