"""Samples for ArviZ, and its two numbers that tell whether there are enough of them."""

import types
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from thermo_optax._base import arrays_by_place

from ._names import unique_names


def to_arviz(
    samples: Any,
    *,
    has_chains: bool | None = None,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, list[str]] | None = None,
    **groups: Mapping[str, Any],
) -> Any:
    """Samples of the parameters in ArviZ's format, for its plots, tables and files.

    Args:
        samples: a tree of arrays [draws, ...], such as `collected_samples` returns, or [chains,
            draws, ...], such as it returns of a run that was vmapped.
        has_chains: whether the first axis of every array counts chains. None is False, with a
            warning where the shapes look as if it did.
        coords: labels along the axes of the parameters, as ArviZ takes them.
        dims: names of these axes for each variable, as ArviZ takes them.
        **groups: further groups, such as ``sample_stats={"lp": ...}`` or ``log_likelihood={...}``:
            dictionaries of arrays with the axes of `samples` in front, as many as there; those of a
            prior or a warm-up (``prior={...}``, ``warmup_posterior={...}``) may have other numbers
            of chains and draws; those with "data" in their name, such as ``observed_data={...}``,
            are without these axes.

    Returns:
        An `arviz.InferenceData` (ArviZ 0.22 and 0.23) or an `xarray.DataTree` (ArviZ 1.0 and
        later), with the group `posterior`; both have ``.posterior`` and ``.to_netcdf(path)``. A
        variable is named by its path in the tree with dots between, "hidden.kernel", since files
        admit no slashes in names; a single array is named "params". Half precision becomes float32.

    Raises:
        ValueError: for arrays without these axes, or of different numbers of chains or draws; for
            two variables of one name, or one named "chain" or "draw", as the axes are.
        ModuleNotFoundError: without ArviZ.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> samples = {"hidden": {"kernel": jnp.zeros((100, 3, 2))}}
        >>> data = to.diagnostics.to_arviz(samples)
        >>> print(dict(data.posterior.sizes))
        {'chain': 1, 'draw': 100, 'hidden.kernel_dim_0': 3, 'hidden.kernel_dim_1': 2}

    References:
        Kumar, Carroll, Hartikainen and Martin, `ArviZ a unified library for exploratory analysis of
        Bayesian models in Python <https://doi.org/10.21105/joss.01143>`_, 2019.
    """
    has_chains = _first_axis_is_chains(samples, has_chains)
    posterior = _variables("samples", samples, has_chains)
    others = {
        name: _variables(name, dict(arrays), None if "data" in name else has_chains)
        for name, arrays in groups.items()
    }
    axes = next(iter(posterior.values())).shape[:2]
    for name, arrays in others.items():
        found = next(iter(arrays.values())).shape[:2]
        if found != axes and "data" not in name and not name.startswith(("prior", "warmup")):
            raise ValueError(
                f"`{name}` must have the chains and draws of `samples`, {axes}, got {found}: take "
                "both from the same steps."
            )
    named = {_file_name(name): axes for name, axes in (dims or {}).items()}
    return _converted({"posterior": posterior, **others}, coords=coords, dims=named)


def effective_sample_size(
    samples: Any, *, has_chains: bool | None = None, method: str = "bulk"
) -> Any:
    r"""How many independent draws know the mean as well as these correlated ones do.

    .. math::
        \text{ESS} = \frac{C N}{1 + 2 \sum_t \rho_t}

    for C chains of N draws with autocorrelations rho_t. The standard error of a posterior mean is
    the posterior's standard deviation over the root of ``method="mean"``.

    Args:
        samples: a tree of arrays [draws, ...], or [chains, draws, ...] of a run that was vmapped,
            with at least 4 draws.
        has_chains: whether the first axis of every array counts chains. None is False, with a
            warning where the shapes look as if it did.
        method: of ArviZ: "bulk" (default, of rank-normalised draws), "mean", "sd", "tail"...; see
            `arviz.ess`.

    Returns:
        A tree like samples, without the axes of chains and draws. NaN where a draw is; of draws
        that are all equal, such as those of a parameter that never moves, ArviZ gives C N.

    Raises:
        ValueError: for arrays without the axes of chains and draws, or of different numbers of
            them; for two variables of one name, or one named "chain" or "draw"; for fewer than 4
            draws.
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
    posterior = _variables("samples", samples, _first_axis_is_chains(samples, has_chains))
    _check_draws(posterior, chains=1)
    units = {"posterior": _of_range_one(posterior)}
    found = require_arviz().ess(_converted(units), method=method)
    return _like(samples, posterior, found)


def rhat(samples: Any, *, has_chains: bool | None = None, method: str = "rank") -> Any:
    r"""Whether the chains agree: the spread of all draws over the spread within a chain.

    .. math::
        \hat R = \sqrt{\frac{N - 1}{N} + \frac{B}{N W}}

    with B / N the variance between the means of the (split) chains and W the mean variance within.
    Below 1.01 they have forgotten where they began, as far as can be seen.

    Args:
        samples: a tree of arrays [chains, draws, ...], of at least 2 chains and 4 draws.
        has_chains: whether the first axis of every array counts chains. None is True, as it must
            be, since one chain cannot be compared.
        method: of ArviZ: "rank" (default, the larger of bulk and tail), "split", "folded"...; see
            `arviz.rhat`.

    Returns:
        A tree like samples, without the axes of chains and draws. NaN where a draw is, or where all
        are equal.

    Raises:
        ValueError: for arrays without the axes of chains and draws, or of different numbers of
            them; for two variables of one name, or one named "chain" or "draw"; for fewer than 2
            chains or 4 draws; for ``has_chains=False``.
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
    if has_chains is not None and not has_chains:
        raise ValueError(
            "`has_chains` must be True for R-hat, which compares chains. `jax.vmap` the run over "
            "keys, and pass its samples [chains, draws, ...]."
        )
    posterior = _variables("samples", samples, True)
    _check_draws(posterior, chains=2)
    units = {"posterior": _of_range_one(posterior)}
    found = require_arviz().rhat(_converted(units), method=method)
    return _like(samples, posterior, found)


def require_arviz() -> types.ModuleType:
    """The package ArviZ, imported when it is needed."""
    try:
        with warnings.catch_warnings():
            # Of 1.0, once a day: both are supported.
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
    return arviz


def _converted(groups: dict[str, dict[str, np.ndarray]], **options: Any) -> Any:
    """The groups in the format of the ArviZ that is installed."""
    arviz = require_arviz()
    if "InferenceData" in vars(arviz):  # not by `hasattr`, on which 1.0 warns
        return arviz.from_dict(**groups, **options)
    return arviz.from_dict(groups, **options)  # since 1.0 all groups are one argument


def _first_axis_is_chains(samples: Any, has_chains: bool | None) -> bool:
    """What `has_chains` says; without it no, but with a warning where that looks wrong."""
    if has_chains is not None:
        return bool(has_chains)
    axes = {np.shape(leaf)[:2] for leaf in jax.tree.leaves(samples)}
    if len(axes) == 1 and len(shape := axes.pop()) == 2 and 1 < shape[0] < shape[1]:
        warnings.warn(
            f"`samples` are read as one chain of {shape[0]} draws, but every array has the shape "
            f"[{shape[0]}, {shape[1]}, ...]. If these are {shape[0]} chains, pass "
            "`has_chains=True`; if not, `has_chains=False`.",
            stacklevel=3,
        )
    return False


def _file_name(name: str) -> str:
    """The name of a variable: with slashes it could not be saved."""
    return name.replace("/", ".")


def _variables(group: str, tree: Any, has_chains: bool | None) -> dict[str, np.ndarray]:
    """The arrays by name, as [chains, draws, ...]; without these axes if `has_chains` is None."""
    arrays = arrays_by_place(tree)
    if not arrays:
        raise ValueError(f"`{group}` has no arrays in it ({tree!r}).")
    names = unique_names(list(arrays), separator=".")
    for axis in {"chain", "draw"} & set(names) if has_chains is not None else ():
        raise ValueError(
            f"`{group}` has a variable of the name {axis!r}, which is that of an axis: ArviZ would "
            f"leave out all of them. Rename it, as in `{{'{axis}_': samples[{axis!r}]}}`."
        )
    found = {
        name: _array(f"`{group}`", name, array, has_chains)
        for name, array in zip(names, arrays.values(), strict=True)
    }
    axes = {array.shape[:2] for array in found.values()}
    if has_chains is not None and len(axes) > 1:
        raise ValueError(
            f"`{group}` must have the same numbers of chains and draws in every array, got "
            f"{sorted(axes)}. `has_chains` says whether the first axis counts chains."
        )
    return found


def _array(group: str, name: str, value: Any, has_chains: bool | None) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.itemsize < 4 and array.dtype.kind not in "biu":
        array = array.astype(np.float32)  # bfloat16 among them, which only JAX knows
    if has_chains is None:
        return array
    if array.ndim < 1 + has_chains:
        axes = "[chains, draws, ...]" if has_chains else "[draws, ...]"
        raise ValueError(
            f"{group} must be arrays {axes}, got shape {array.shape} for {name!r}: pass what "
            "`collected_samples` returns, with `has_chains=True` if the run was vmapped."
        )
    return array if has_chains else array[None]


def _check_draws(posterior: dict[str, np.ndarray], chains: int) -> None:
    for name, array in posterior.items():
        if array.shape[0] < chains or array.shape[1] < 4:
            raise ValueError(
                f"`samples` must have at least {chains} chains and 4 draws, got {array.shape[0]} "
                f"and {array.shape[1]} for {name!r}. `jax.vmap` the run over keys, or run longer."
            )


def _of_range_one(posterior: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draws in a unit that is a power of two, because ArviZ takes a range of 1e-15 for none."""

    def scaled(draws):
        if draws.dtype.kind != "f":
            return draws
        wide = draws.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            extent = np.ptp(wide, axis=(0, 1))
        _, exponent = np.frexp(np.where(np.isfinite(extent), extent, 1))
        return np.ldexp(wide, -exponent)

    return {name: scaled(draws) for name, draws in posterior.items()}


def _like(samples: Any, posterior: dict[str, np.ndarray], found: Any) -> Any:
    """The numbers that ArviZ found for each variable, as a tree."""
    return jax.tree.unflatten(
        jax.tree.structure(samples), [found[name].values for name in posterior]
    )
