"""LaLa: Langevin and Langevin, by layer."""

import optax

from thermo_optax._base import ScalarOrSchedule, check_nonnegative
from thermo_optax._noise import KeyLike
from thermo_optax.integrators import langevin

from ._groups import Laws, PerGroup, by_layer, check_groups, laws, of_group
from ._labels import Labels


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
    key: KeyLike,
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
        splitting: any word over A (drift), B (kick) and O (bath) that needs one gradient per step,
            such as "BAOAB" (default) or "OBABO".
        param_labels: tree of labels, or a function from parameters to it; by default the first
            layer of `label_layers` is "hidden" and all others are "output".
        initial_momentum: "thermal" draws N(0, T), "zero" starts at rest.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key. The groups draw independent noise from it.

    Returns:
        An `optax.partition`; ``state.inner_states[label].inner_state`` is the state of a group.

    Raises:
        ValueError: for a label without a group or a group without parameters (the message lists
            the labels), for a number of a group that does not have it or out of its range, or for
            an unknown option.
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

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
    hidden = laws("hidden_groups", hidden_groups, {"hidden": 1e-3})
    output = laws("output_groups", output_groups, {"output": 1e-7})
    check_groups((*hidden, *output), step_size=step_size)
    check_groups(hidden, hidden_friction=hidden_friction)
    check_groups(output, output_friction=output_friction)
    frictions = ((hidden, hidden_friction, "hidden_friction"),)
    frictions += ((output, output_friction, "output_friction"),)
    for group, friction, name in frictions:
        for label in group:
            check_nonnegative(**{name: of_group(friction, label, name)})
    transforms = {
        label: langevin(
            of_group(step_size, label, "step_size"),
            temperature,
            friction=of_group(friction, label, name),
            splitting=splitting,
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for group, friction, name in frictions
        for label, temperature in group.items()
    }
    return by_layer(transforms, hidden, output, param_labels)
