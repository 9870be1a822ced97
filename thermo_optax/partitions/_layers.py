"""A law of motion for each layer: LOL, LaLa and AdLaLa.

Hidden layers do well with heat and little friction, the output layer with hardly any heat. The
three methods give each its own integrator; the name says which, from the first layer to the last:
Langevin and Overdamped Langevin, Langevin and Langevin, Adaptive Langevin and Langevin.

The laws are given as dicts from label to temperature, so that there can be any number of groups,
and every other hyperparameter as one number for all groups or as a dict from label to number.
"""

import functools
from collections.abc import Mapping
from typing import Any, TypeVar

import optax

from thermo_optax._base import KeyLike, ScalarOrSchedule
from thermo_optax.integrators import adaptive_langevin, langevin, leimkuhler_matthews

from ._labels import Labels, label_layers
from ._partition import partition_layers

T = TypeVar("T")
PerGroup = T | Mapping[str, T]
Laws = Mapping[str, ScalarOrSchedule]


def lol(
    step_size: PerGroup[ScalarOrSchedule] = 0.25,
    *,
    langevin_groups: Laws | None = None,
    overdamped_groups: Laws | None = None,
    friction: PerGroup[ScalarOrSchedule] = 0.013,
    learning_rate: PerGroup[ScalarOrSchedule] | None = None,
    param_labels: Labels | None = None,
    initial_momentum: str = "thermal",
    generator: str = "threefry",
    key: KeyLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""LOL: Langevin dynamics in the first layer, overdamped Langevin in the others.

    .. math::
        \text{hidden: BAOAB}(h, T_1, \gamma), \qquad
        \text{output: } x \leftarrow x - \delta \nabla L + \sqrt{2 \delta T_2}\, (z_n + z_{n-1})/2,
        \quad \delta = h^2 / 2

    The output layer is BAOAB in the limit of infinite friction, which is `leimkuhler_matthews` at
    the learning rate h^2 / 2.

    Args:
        step_size: h > 0, in units of time.
        langevin_groups: label -> temperature of the groups that move by `langevin`. The default is
            {"langevin": 5e-4}.
        overdamped_groups: label -> temperature of the groups that move by `leimkuhler_matthews`.
            The default is {"overdamped": 1e-7}.
        friction: gamma >= 0 of the Langevin groups, in units of 1 / time.
        learning_rate: delta > 0 of the overdamped groups; None means h^2 / 2.
        param_labels: tree of labels, or a function from parameters to it; by default the first
            layer of `label_layers` is "langevin" and all others are "overdamped".
        initial_momentum: "thermal" or "zero", as in `langevin`.
        generator: as in `langevin`.
        key: an int, a typed key or a raw uint32 key. The groups draw independent noise from it.

    Returns:
        An `optax.partition`; ``state.inner_states[label].inner_state`` is the state of a group.

    Raises:
        ValueError: for a label without a group or a group without parameters (the message lists
            the labels), and for what the integrators reject.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> params = {"hidden": {"w": jnp.ones((2, 3))}, "output": {"w": jnp.ones((3, 1))}}
        >>> tx = to.lol(step_size=0.1, friction=0.01, key=0)
        >>> sorted(tx.init(params).inner_states)
        ['langevin', 'overdamped']

    References:
        Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic parameterization
        of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, section 3. The paper does not
        give its temperatures and friction; the defaults here were found on its 4-turn spiral.
    """
    hot, cold = langevin_groups or {"langevin": 5e-4}, overdamped_groups or {"overdamped": 1e-7}
    transforms = {
        label: langevin(
            _of(step_size, label, "step_size"),
            temperature,
            friction=_of(friction, label, "friction"),
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for label, temperature in hot.items()
    }
    for label, temperature in cold.items():
        if learning_rate is None:
            rate = _half_square(_of(step_size, label, "step_size"))
        else:
            rate = _of(learning_rate, label, "learning_rate")
        transforms[label] = leimkuhler_matthews(rate, temperature, generator=generator, key=key)
    return _by_layer(transforms, hot, cold, param_labels)


def lala(
    step_size: PerGroup[ScalarOrSchedule] = 0.25,
    *,
    hidden_groups: Laws | None = None,
    output_groups: Laws | None = None,
    hidden_friction: PerGroup[ScalarOrSchedule] = 0.02,
    output_friction: PerGroup[ScalarOrSchedule] = 2.0,
    splitting: str = "BAOAB",
    param_labels: Labels | None = None,
    initial_momentum: str = "thermal",
    generator: str = "threefry",
    key: KeyLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""LaLa: Langevin dynamics in all layers, with a temperature and friction for each group.

    .. math::
        \text{hidden: BAOAB}(h, T_1, \gamma_1), \qquad \text{output: BAOAB}(h, T_2, \gamma_2)

    Args:
        step_size: h > 0, in units of time.
        hidden_groups: label -> temperature of the hidden groups. The default is {"hidden": 1e-3}.
        output_groups: label -> temperature of the output groups. The default is {"output": 1e-7}.
        hidden_friction: gamma_1 >= 0, in units of 1 / time.
        output_friction: gamma_2 >= 0, in units of 1 / time.
        splitting: a word, as in `langevin`.
        param_labels: tree of labels, or a function from parameters to it; by default the first
            layer of `label_layers` is "hidden" and all others are "output".
        initial_momentum: "thermal" or "zero", as in `langevin`.
        generator: as in `langevin`.
        key: an int, a typed key or a raw uint32 key. The groups draw independent noise from it.

    Returns:
        An `optax.partition`; ``state.inner_states[label].inner_state`` is the state of a group.

    Raises:
        ValueError: for a label without a group or a group without parameters (the message lists
            the labels), and for what `langevin` rejects.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> params = [{"w": jnp.ones((2, 3))}, {"w": jnp.ones((3, 3))}, {"w": jnp.ones((3, 1))}]
        >>> labels = to.label_layers(params, {"a": 0, "b": 1, "c": 2})
        >>> tx = to.lala(
        ...     hidden_groups={"a": 1e-3, "b": 1e-4},
        ...     output_groups={"c": 0.0},
        ...     hidden_friction={"a": 0.02, "b": 0.1},
        ...     param_labels=labels,
        ...     key=0,
        ... )
        >>> sorted(tx.init(params).inner_states)
        ['a', 'b', 'c']

    References:
        Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic parameterization
        of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, section 3 (the multi-layer
        Langevin algorithm). The defaults were found on its 4-turn spiral.
    """
    hidden, output = hidden_groups or {"hidden": 1e-3}, output_groups or {"output": 1e-7}
    frictions = ((hidden, hidden_friction, "hidden_friction"),)
    frictions += ((output, output_friction, "output_friction"),)
    transforms = {
        label: langevin(
            _of(step_size, label, "step_size"),
            temperature,
            friction=_of(friction, label, name),
            splitting=splitting,
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for group, friction, name in frictions
        for label, temperature in group.items()
    }
    return _by_layer(transforms, hidden, output, param_labels)


def adlala(
    step_size: PerGroup[ScalarOrSchedule] = 0.25,
    *,
    adaptive_groups: Laws | None = None,
    langevin_groups: Laws | None = None,
    noise_amplitude: PerGroup[ScalarOrSchedule] = 0.01,
    coupling: PerGroup[ScalarOrSchedule] = 0.05,
    initial_friction: PerGroup[Any] = 0.1,
    friction: PerGroup[ScalarOrSchedule] = 0.1,
    thermostat: PerGroup[str] = "tensor",
    thermostat_energy: PerGroup[str] = "total",
    splitting: str = "ACDEDCAB",
    param_labels: Labels | None = None,
    initial_momentum: str = "zero",
    generator: str = "threefry",
    key: KeyLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""AdLaLa: adaptive Langevin dynamics in the first layer, Langevin in the others.

    .. math::
        \text{hidden: Ad-Langevin}(h, T_1, \sigma_A, \varepsilon), \qquad
        \text{output: BAOAB}(h, T_2, \gamma)

    The hidden layer keeps its temperature whatever the heat of the mini-batches; the output layer
    is damped. The defaults are those of the authors' code.

    Args:
        step_size: h > 0, in units of time.
        adaptive_groups: label -> temperature of the groups that move by `adaptive_langevin`. The
            default is {"adaptive": 1e-4}.
        langevin_groups: label -> temperature of the groups that move by `langevin`. The default is
            {"langevin": 1e-4}.
        noise_amplitude: sigma_A >= 0 of the adaptive groups.
        coupling: eps >= 0 of the adaptive groups.
        initial_friction: xi of the adaptive groups at the start.
        friction: gamma >= 0 of the Langevin groups, in units of 1 / time.
        thermostat: "tensor" (one xi for every array, as in the authors' code) or "group".
        thermostat_energy: "total" or "mean", as in `adaptive_langevin`.
        splitting: of the adaptive groups, as in `adaptive_langevin`.
        param_labels: tree of labels, or a function from parameters to it; by default the first
            layer of `label_layers` is "adaptive" and all others are "langevin".
        initial_momentum: "zero", as in the authors' code, or "thermal".
        generator: as in `langevin`.
        key: an int, a typed key or a raw uint32 key. The groups draw independent noise from it.

    Returns:
        An `optax.partition`; ``state.inner_states[label].inner_state`` is the state of a group.

    Raises:
        ValueError: for a label without a group or a group without parameters (the message lists
            the labels), and for what the integrators reject.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> params = {"hidden": {"w": jnp.ones((2, 3))}, "output": {"w": jnp.ones((3, 1))}}
        >>> tx = to.adlala(0.1, adaptive_groups={"adaptive": 1e-3}, key=0)
        >>> state = tx.init(params)
        >>> updates, state = tx.update(jax.tree.map(jnp.zeros_like, params), state, params)
        >>> state.inner_states["adaptive"].inner_state.friction.shape  # one tensor in the group
        (1,)

    References:
        Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic parameterization
        of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, eq. (15); the constants are
        those of the authors' AdLaLa notebook.
    """
    adaptive, plain = adaptive_groups or {"adaptive": 1e-4}, langevin_groups or {"langevin": 1e-4}
    transforms = {
        label: adaptive_langevin(
            _of(step_size, label, "step_size"),
            temperature,
            noise_amplitude=_of(noise_amplitude, label, "noise_amplitude"),
            coupling=_of(coupling, label, "coupling"),
            initial_friction=_of(initial_friction, label, "initial_friction"),
            splitting=splitting,
            thermostat=_of(thermostat, label, "thermostat"),
            thermostat_energy=_of(thermostat_energy, label, "thermostat_energy"),
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for label, temperature in adaptive.items()
    }
    transforms |= {
        label: langevin(
            _of(step_size, label, "step_size"),
            temperature,
            friction=_of(friction, label, "friction"),
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for label, temperature in plain.items()
    }
    return _by_layer(transforms, adaptive, plain, param_labels)


def _of(value: Any, label: str, name: str) -> Any:
    """The hyperparameter of one group."""
    if not isinstance(value, Mapping):
        return value
    if label not in value:
        raise ValueError(
            f"`{name}` has no value for the group {label!r}, only for {sorted(value)}: add one, or "
            "pass a single number for all groups."
        )
    return value[label]


def _half_square(step_size: ScalarOrSchedule) -> ScalarOrSchedule:
    if callable(step_size):
        return lambda count: step_size(count) ** 2 / 2
    return step_size**2 / 2


def _by_layer(transforms, first: Laws, others: Laws, param_labels: Labels | None):
    """The partition; without labels, the first layer gets the first law and the rest the other."""
    both = sorted(set(first) & set(others))
    if both:
        raise ValueError(f"The groups {both} are given two laws: use each label once.")
    if param_labels is None:
        if len(first) != 1 or len(others) != 1:
            raise ValueError(
                f"`param_labels` is required for the groups {sorted(transforms)}: only a partition "
                "into two groups can tell by itself which layer is meant. See `label_layers`."
            )
        (head,), (rest,) = first, others
        param_labels = functools.partial(label_layers, groups={head: "first"}, default=rest)
    return partition_layers(transforms, param_labels)
