"""AdLaLa: adaptive Langevin and Langevin, by layer."""

from typing import Any

import optax

from thermo_optax._base import ScalarOrSchedule
from thermo_optax._noise import KeyLike
from thermo_optax.integrators import adaptive_langevin, langevin

from ._groups import Laws, PerGroup, by_layer, check_groups, laws, of_group
from ._labels import Labels


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
    key: KeyLike,
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
        noise_amplitude: sigma_A >= 0 of the adaptive groups, in units of momentum / sqrt(time).
        coupling: eps >= 0 of the adaptive groups, how fast xi reacts; 0 keeps it fixed.
        initial_friction: xi of the adaptive groups at the start, of either sign, in units of 1 /
            time.
        friction: gamma >= 0 of the Langevin groups, in units of 1 / time.
        thermostat: "tensor" (one xi for every array, as in the authors' code) or "group".
        thermostat_energy: "total" drives xi by p.p - N T, "mean" by p.p / N - T, whose time scale
            does not depend on the size of the layer.
        splitting: of the adaptive groups: "ACDEDCAB" (default, of the authors' code), "BADODAB" or
            "SGNHT".
        param_labels: tree of labels, or a function from parameters to it; by default the first
            layer of `label_layers` is "adaptive" and all others are "langevin".
        initial_momentum: "zero", as in the authors' code, or "thermal".
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
    adaptive = laws("adaptive_groups", adaptive_groups, {"adaptive": 1e-4})
    plain = laws("langevin_groups", langevin_groups, {"langevin": 1e-4})
    check_groups((*adaptive, *plain), step_size=step_size)
    check_groups(plain, friction=friction)
    check_groups(
        adaptive,
        noise_amplitude=noise_amplitude,
        coupling=coupling,
        initial_friction=initial_friction,
        thermostat=thermostat,
        thermostat_energy=thermostat_energy,
    )
    transforms = {
        label: adaptive_langevin(
            of_group(step_size, label, "step_size"),
            temperature,
            noise_amplitude=of_group(noise_amplitude, label, "noise_amplitude"),
            coupling=of_group(coupling, label, "coupling"),
            initial_friction=of_group(initial_friction, label, "initial_friction"),
            splitting=splitting,
            thermostat=of_group(thermostat, label, "thermostat"),
            thermostat_energy=of_group(thermostat_energy, label, "thermostat_energy"),
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for label, temperature in adaptive.items()
    }
    transforms |= {
        label: langevin(
            of_group(step_size, label, "step_size"),
            temperature,
            friction=of_group(friction, label, "friction"),
            initial_momentum=initial_momentum,
            generator=generator,
            key=key,
        )
        for label, temperature in plain.items()
    }
    return by_layer(transforms, adaptive, plain, param_labels)
