"""LOL: Langevin and overdamped Langevin, by layer."""

import optax

from thermo_optax._base import ScalarOrSchedule, at, check_rate, rate_at
from thermo_optax._noise import KeyLike
from thermo_optax.integrators import langevin, leimkuhler_matthews

from ._groups import Laws, PerGroup, by_layer, check_groups, laws, of_group
from ._labels import Labels


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
    key: KeyLike,
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
        initial_momentum: of the Langevin groups: "thermal" draws N(0, T), "zero" starts at rest.
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
        >>> params = {"hidden": {"w": jnp.ones((2, 3))}, "output": {"w": jnp.ones((3, 1))}}
        >>> tx = to.lol(step_size=0.1, friction=0.01, key=0)
        >>> sorted(tx.init(params).inner_states)
        ['langevin', 'overdamped']

    References:
        Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic parameterization
        of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, section 3. The paper does not
        give its temperatures and friction; the defaults here were found on its 4-turn spiral.
    """
    hot = laws("langevin_groups", langevin_groups, {"langevin": 5e-4})
    cold = laws("overdamped_groups", overdamped_groups, {"overdamped": 1e-7})
    check_groups((*hot, *cold), step_size=step_size)
    check_groups(hot, friction=friction)
    check_groups(cold, learning_rate=learning_rate)
    transforms = {
        label: langevin(
            of_group(step_size, label, "step_size"),
            temperature,
            friction=of_group(friction, label, "friction"),
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for label, temperature in hot.items()
    }
    for label, temperature in cold.items():
        if learning_rate is None:
            rate = _half_square(of_group(step_size, label, "step_size"))
        else:
            rate = of_group(learning_rate, label, "learning_rate")
        transforms[label] = leimkuhler_matthews(rate, temperature, generator=generator, key=key)
    return by_layer(transforms, hot, cold, param_labels)


def _half_square(step_size: ScalarOrSchedule) -> ScalarOrSchedule:
    check_rate(step_size=step_size)
    if callable(step_size):
        return lambda count: rate_at(step_size, count) ** 2 / 2
    # Arrays of half precision or of integers have no room for the square.
    wide = step_size if isinstance(step_size, int | float) else at(step_size, 0)
    return wide**2 / 2
