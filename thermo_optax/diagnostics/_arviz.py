"""Samples for ArviZ, and its two numbers that tell whether there are enough of them."""

import types
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from thermo_optax._base import layer_name, plain_paths


def to_arviz(
    samples: Any,
    *,
    has_chains: bool = False,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, list[str]] | None = None,
    **groups: Mapping[str, Any],
) -> Any:
    r"""Samples of the parameters as an ArviZ `InferenceData`, for its plots, tables and files.

    .. math::
        x^{(c, i)} \mapsto \text{posterior}[\text{chain} = c, \text{draw} = i]

    Args:
        samples: a tree of arrays [draws, ...], such as `collected_samples` returns, or [chains,
            draws, ...].
        has_chains: whether the first axis counts chains; without, all is one chain.
        coords: labels along the axes of the parameters, as ArviZ takes them.
        dims: names of these axes for each variable, as ArviZ takes them.
        **groups: further groups, such as ``sample_stats={"lp": ...}`` or ``log_likelihood={...}``:
            dictionaries of arrays [draws, ...], or [chains, draws, ...].

    Returns:
        `arviz.InferenceData` with the group `posterior`. A variable is named by its path in the
        tree, "hidden/kernel"; a single array is named "params". Half precision becomes float32.

    Raises:
        ValueError: for arrays without these axes.
        ModuleNotFoundError: without ArviZ.
        ImportError: for ArviZ 1.0 and later, which have no `InferenceData`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> samples = {"hidden": {"kernel": jnp.zeros((100, 3, 2))}}
        >>> data = to.diagnostics.to_arviz(samples)
        >>> print(dict(data.posterior.sizes))
        {'chain': 1, 'draw': 100, 'hidden/kernel_dim_0': 3, 'hidden/kernel_dim_1': 2}

    References:
        Kumar, Carroll, Hartikainen and Martin, `ArviZ a unified library for exploratory analysis of
        Bayesian models in Python <https://doi.org/10.21105/joss.01143>`_, 2019.
    """
    arviz = require_arviz()
    with_chains = {
        name: {key: _with_chains(f"{name}: {key}", value, has_chains) for key, value in one.items()}
        for name, one in groups.items()
    }
    posterior = _variables(samples, has_chains)
    return arviz.from_dict(posterior=posterior, coords=coords, dims=dims, **with_chains)


def effective_sample_size(samples: Any, *, has_chains: bool = False, method: str = "bulk") -> Any:
    r"""How many independent draws know the mean as well as these correlated ones do.

    .. math::
        \text{ESS} = \frac{C N}{1 + 2 \sum_t \rho_t}

    for C chains of N draws with autocorrelations rho_t. The standard error of a posterior mean is
    the posterior's standard deviation over the root of ``method="mean"``.

    Args:
        samples: as in `to_arviz`, with at least 4 draws.
        has_chains: as in `to_arviz`.
        method: as in `arviz.ess`: "bulk" (of rank-normalised draws), "mean", "sd", "tail"...

    Returns:
        A tree like samples, without the axes of chains and draws.

    Raises:
        ValueError: for arrays without these axes, or fewer than 4 draws.
        ModuleNotFoundError: without ArviZ.

    Examples:
        >>> import jax
        >>> import thermo_optax as to
        >>> draws = jax.random.normal(jax.random.key(0), (4, 1000))
        >>> print(2_000 < to.diagnostics.effective_sample_size(draws, has_chains=True) < 6_000)
        True

    References:
        Vehtari, Gelman, Simpson, Carpenter and Buerkner, `Rank-normalization, folding, and
        localization: An improved R-hat for assessing convergence of MCMC
        <https://arxiv.org/abs/1903.08008>`_, 2021, section 4.
    """
    _check_draws(samples, has_chains, chains=1)
    data = to_arviz(samples, has_chains=has_chains)
    return _like(samples, require_arviz().ess(data, method=method))


def rhat(samples: Any, *, method: str = "rank") -> Any:
    r"""Whether the chains agree: the spread of all draws over the spread within a chain.

    .. math::
        \hat R = \sqrt{\frac{N - 1}{N} + \frac{B}{N W}}

    with B / N the variance between the means of the (split) chains and W the mean variance within.
    Below 1.01 they have forgotten where they began, as far as can be seen.

    Args:
        samples: a tree of arrays [chains, draws, ...], of at least 2 chains and 4 draws.
        method: as in `arviz.rhat`: "rank" (the larger of bulk and tail), "split", "folded"...

    Returns:
        A tree like samples, without the axes of chains and draws.

    Raises:
        ValueError: for arrays without these axes, fewer than 2 chains or 4 draws.
        ModuleNotFoundError: without ArviZ.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> import thermo_optax as to
        >>> draws = jax.random.normal(jax.random.key(0), (4, 1000))
        >>> apart = draws + 0.5 * jnp.arange(4)[:, None]
        >>> print(bool(to.diagnostics.rhat(draws) < 1.01 < 1.1 < to.diagnostics.rhat(apart)))
        True

    References:
        Vehtari et al., 2021, eq. (4) and section 4.
    """
    _check_draws(samples, True, chains=2)
    data = to_arviz(samples, has_chains=True)
    return _like(samples, require_arviz().rhat(data, method=method))


def require_arviz() -> types.ModuleType:
    """The package ArviZ, imported when it is needed."""
    try:
        with warnings.catch_warnings():
            # Of its next release, once a day; the range in our extra takes care of that.
            warnings.filterwarnings("ignore", "\\s*ArviZ is undergoing", FutureWarning)
            import arviz
    except ModuleNotFoundError as error:
        if error.name != "arviz":
            raise
        raise ModuleNotFoundError(
            "export of samples, their effective number and R-hat need ArviZ, which is not "
            "installed: pip install 'thermo_optax[samples]'",
            name="arviz",
        ) from error
    if not hasattr(arviz, "InferenceData"):
        raise ImportError(
            f"arviz {arviz.__version__} has no `InferenceData`, which 1.0 gave up: "
            "pip install 'thermo_optax[samples]' chooses an earlier one.",
            name="arviz",
        )
    return arviz


def _variables(samples: Any, has_chains: bool) -> dict[str, np.ndarray]:
    """The arrays by name, as [chains, draws, ...]."""
    leaves = jax.tree.leaves(samples)
    if not leaves:
        raise ValueError(f"`samples` has no arrays in it ({samples!r}).")
    named = zip(_names(samples), leaves, strict=True)
    return {name: _with_chains(name, leaf, has_chains) for name, leaf in named}


def _names(samples: Any) -> list[str]:
    return [layer_name(path) for path in plain_paths(samples)]


def _with_chains(name: str, value: Any, has_chains: bool) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim < 1 + has_chains:
        axes = "[chains, draws, ...]" if has_chains else "[draws, ...]"
        raise ValueError(
            f"`samples` must be arrays {axes}, got shape {array.shape} for {name!r}: pass what "
            "`collected_samples` returns, with `has_chains=True` if the run was vmapped."
        )
    if array.dtype.itemsize < 4 and array.dtype.kind not in "biu":
        array = array.astype(np.float32)  # bfloat16 among them, which only JAX knows
    return array if has_chains else array[None]


def _check_draws(samples: Any, has_chains: bool, chains: int) -> None:
    for name, array in _variables(samples, has_chains).items():
        if array.shape[0] < chains or array.shape[1] < 4:
            raise ValueError(
                f"`samples` must have at least {chains} chains and 4 draws, got {array.shape[0]} "
                f"and {array.shape[1]} for {name!r}. `jax.vmap` the run over keys, or run longer."
            )


def _like(samples: Any, dataset: Any) -> Any:
    """The numbers that ArviZ found for each variable, as a tree."""
    found = [dataset[name].values for name in _names(samples)]
    return jax.tree.unflatten(jax.tree.structure(samples), found)
