"""Thermometers: is each part of the network at the temperature that was set?

Three answers that agree in equilibrium: the momenta are at T (kinetic), so are the parameters
(configurational), and so is every layer by itself (equipartition). All are pure functions of a
state, without cost for the sampler, and run inside `jit` and `lax.scan`.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from thermo_optax._base import (
    Path,
    arrays_by_place,
    check_not_complex,
    check_one,
    layer_name,
    layer_of,
    masses_of,
    state_arrays,
)

from ._bands import Temperature, with_interval
from ._names import unique_names

Energy = tuple[jax.Array, int]  # a sum whose mean is T a coordinate, and the number of coordinates


def _has_momenta(node: Any) -> bool:
    """A sampler's state, known by its fields: diagnostics know no sampler by name."""
    fields = set(getattr(node, "_fields", ()))
    return {"count", "rng_key", "momentum"} <= fields and bool(
        {"reading", "kinetic_temperature"} & fields
    )


def _samplers(state: Any) -> dict[str, Any]:
    """The states of all samplers inside a state, by the label of their group ("" without one).

    Several under one label, as `masked` ones in a chain, are told apart by their place in it.
    """
    every = jax.tree_util.tree_leaves_with_path(state, is_leaf=_has_momenta)
    found = [(path, state_arrays(node)) for path, node in every if _has_momenta(node)]
    if not found:
        raise ValueError(
            "`state` holds no momenta: pass the state of `langevin`, `sghmc`, `adaptive_langevin`, "
            "or of a partition or chain with one. `configurational_temperature` needs none."
        )
    check_one([node for _, node in found])
    labels = [_label(path, jax.tree_util.DictKey) for path, _ in found]
    if len(set(labels)) < len(labels):
        kinds = jax.tree_util.DictKey, jax.tree_util.SequenceKey
        labels = [_label(path, *kinds) for path, _ in found]
    if len(set(labels)) < len(labels):  # told apart by fields of a wrapper's state only
        labels = [jax.tree_util.keystr(path) for path, _ in found]
    return dict(zip(labels, (node for _, node in found), strict=True))


def _label(path: tuple, *kinds: type) -> str:
    entries = (entry for entry in path if isinstance(entry, kinds))
    return "/".join(jax.tree_util.keystr((entry,), simple=True) for entry in entries)


def _check_like(name: str, tree: Mapping[Path, Any], reference: Mapping[Path, Any]) -> None:
    """Every array of `reference` must have one of its shape in `tree`: nothing is broadcast."""
    for place, array in reference.items():
        found = f"the shape {jnp.shape(tree[place])}" if place in tree else "none"
        if place not in tree or jnp.shape(tree[place]) != jnp.shape(array):
            raise ValueError(
                f"`{name}` must have an array of shape {jnp.shape(array)} at "
                f"{layer_name(place)!r}, got {found}: pass the tree of the same parameters."
            )


def _energies(sampler: Any, grads: Any) -> dict[Path, Energy]:
    """Of each array, by its place."""
    pulls = {} if grads is None else arrays_by_place(grads)
    if grads is not None:
        _check_like("grads", pulls, arrays_by_place(sampler.momentum))
    retain, kick = getattr(sampler, "reading", jnp.array([1.0, 0.0]))
    energies = {}
    for place, p, mass in masses_of(sampler):
        p = p.astype(jnp.result_type(float))
        seen = retain.astype(p.dtype) * p
        if grads is not None:
            seen -= kick.astype(p.dtype) * pulls[place].astype(p.dtype)
        energies[place] = (jnp.sum(p * seen / jnp.asarray(mass, p.dtype)), math.prod(p.shape))
    return energies


def _pooled(energies: list[Energy], confidence: float) -> Temperature:
    degrees = sum(n for _, n in energies)
    total = sum((e for e, _ in energies), jnp.zeros([]))
    return with_interval(total / float(max(degrees, 1)), degrees, confidence)


def kinetic_temperature(
    state: Any, grads: Any = None, *, confidence: float = 0.99
) -> Temperature | dict[str, Temperature]:
    r"""The temperature of the momenta, for each group of a partition.

    .. math::
        \hat T = \frac{1}{N} \sum_i p_i^2 / m_i \quad \text{with } p \text{ at the bath}

    A momentum halfway through a kick is too hot or too cold by a share of order (h omega)^2, so it
    matters where in the cycle it is read. `adaptive_langevin` reads it at its thermostat and keeps
    the number in its state. For "BAOAB" words and `leimkuhler_matthews` the stored momentum is the
    one at the bath. For `sghmc` and "OBABO" words the half of the next kick must be taken away,
    which needs the gradient at the present parameters; without it the reading has the bias named
    above.

    This is the temperature of the momenta, not of the parameters. The bath keeps the momenta at T
    at any step size; at a large step the parameters of a splitting may be colder or hotter, by
    order (h omega)^2, while this reading stays at T. Read the parameters with
    `configurational_temperature`.

    Args:
        state: state of one sampler with momenta, or of a partition or chain around some. For
            replicas or chains, `jax.vmap` this function over their states.
        grads: gradient at the present parameters, the one for the next `update`; optional.
        confidence: of the interval.

    Returns:
        For one sampler its :class:`Temperature`: the value and the confidence interval for the true
        one, from chi^2 with N degrees of freedom. For a partition a dict from the label of each
        group with momenta, even if there is one only; for several masked samplers in a chain a dict
        from their places in it ("0", "1").

    Raises:
        ValueError: if the state holds no momenta, or is of several chains or replicas; if the
            gradients have other places or shapes than the momenta.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.langevin(0.1, temperature=0.3, friction=1.0, key=0)
        >>> state = tx.init(jnp.zeros(10_000))
        >>> reading = to.diagnostics.kinetic_temperature(state)
        >>> print(f"{reading.value:.1f}", bool(reading.low < 0.3 < reading.high))
        0.3 True

    References:
        Leimkuhler and Matthews, `Molecular Dynamics`, 2015, section 7.4, on where in the cycle
        momenta are exact.
    """
    readings = {}
    for label, sampler in _samplers(state).items():
        energies = list(_energies(sampler, grads).values())
        if "kinetic_temperature" in sampler._fields:
            sizes = jnp.asarray([n for _, n in energies], jnp.result_type(float))
            measured = sampler.kinetic_temperature
            if measured.ndim:  # one thermostat for each tensor: weighted by their coordinates
                measured = jnp.sum(measured * sizes) / jnp.sum(sizes)
            degrees = sum(n for _, n in energies)
            readings[label] = with_interval(measured, degrees, confidence)
        else:
            readings[label] = _pooled(energies, confidence)
    return readings[""] if set(readings) == {""} else readings


def equipartition(
    state: Any, grads: Any = None, *, confidence: float = 0.99
) -> dict[str, Temperature]:
    r"""The temperature of the momenta of each layer: in equilibrium all have their bath's.

    .. math::
        \hat T_l = \frac{1}{N_l} \sum_{i \in l} p_i^2 / m_i \quad \text{for every layer } l

    Args:
        state: state of one sampler with momenta, or of a partition or chain around some.
        grads: gradient at the present parameters, the one for the next `update`; optional. Without
            it the readings of `sghmc` and of "OBABO" words are biased.
        confidence: of the intervals.

    Returns:
        A dict from the layer's name (as `label_layers` gives it) to its temperature, read from the
        stored momenta.

    Raises:
        ValueError: if the state holds no momenta, or is of several chains or replicas; if the
            gradients have other places or shapes than the momenta; if two layers have the same
            name.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> params = {"hidden": {"w": jnp.ones((50, 50))}, "output": {"w": jnp.ones((50, 10))}}
        >>> state = to.langevin(0.1, temperature=2.0, friction=1.0, key=0).init(params)
        >>> layers = to.diagnostics.equipartition(state)
        >>> [name for name, t in layers.items() if t.low < 2.0 < t.high]
        ['hidden', 'output']

    References:
        Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic parameterization
        of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, section 4.2.
    """
    layers: dict[Path, list[Energy]] = {}
    for sampler in _samplers(state).values():
        for place, energy in _energies(sampler, grads).items():
            layers.setdefault(layer_of(place), []).append(energy)
    names = unique_names(list(layers))
    return {
        name: _pooled(energies, confidence)
        for name, energies in zip(names, layers.values(), strict=True)
    }


def configurational_temperature(
    params: Any, grads: Any, *, center: Any = None, confidence: float = 0.99
) -> Temperature:
    r"""The temperature of the parameters themselves, from their positions and forces.

    .. math::
        \hat T = \frac{1}{N} \sum_i (x_i - c_i)\, \partial_i L(x)

    Its average over the law exp(-L / T) is T, for any loss and any center c (integration by
    parts). One reading of a noisy gradient is noisy, but not biased. In contrast to the kinetic one
    it sees the heat that unknown gradient noise brings to the parameters.

    Args:
        params: parameters.
        grads: gradient of the loss at params; a mini-batch's will do.
        center: tree like params, or None for 0. Closest to the mean of the law it is most precise.
        confidence: of the interval, which is exact for a Gaussian law around its center.

    Returns:
        The temperature and the confidence interval for the true one.

    Raises:
        ValueError: if the trees have arrays at different places or of different shapes.
        TypeError: for complex arrays.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> import thermo_optax as to
        >>> x = jnp.sqrt(0.5) * jax.random.normal(jax.random.key(0), (10_000,))
        >>> grads = x  # of L = x^2 / 2
        >>> print(f"{to.diagnostics.configurational_temperature(x, grads).value:.1f}")
        0.5

    References:
        Rugh, `Dynamical approach to temperature <https://arxiv.org/abs/chao-dyn/9703013>`_, 1997;
        Wenzel et al., `How Good is the Bayes Posterior in Deep Neural Networks Really?
        <https://arxiv.org/abs/2002.02405>`_, 2020.
    """
    for name, tree in (("params", params), ("grads", grads), ("center", center)):
        check_not_complex(name, tree)
    dtype = jnp.result_type(float)
    x, forces = arrays_by_place(params), arrays_by_place(grads)
    centers = jax.tree.map(jnp.zeros_like, x) if center is None else arrays_by_place(center)
    for name, tree in (("grads", forces), ("center", centers)):
        _check_like(name, tree, x)
        _check_like("params", x, tree)  # no array of the tree is left over

    def virial(place):
        away = jnp.asarray(x[place], dtype) - jnp.asarray(centers[place], dtype)
        return jnp.sum(away * jnp.asarray(forces[place], dtype)), math.prod(away.shape)

    return _pooled([virial(place) for place in x], confidence)
