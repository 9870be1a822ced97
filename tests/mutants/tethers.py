"""Defects of tethers."""

from tests.mutants.mutant import Mutant

TETHER = "geometry/_tether.py"
TESTS = "geometry/test_tether.py"
HAND = (f"{TESTS}::test_the_force_by_hand",)
RUNGS = (f"{TESTS}::test_every_rung_keeps_its_law",)

MUTANTS = [
    Mutant(
        "tether: two halves of a kick after a rest",
        "replicas/_exchange.py",
        "inner_state = begun_anew(inner_state, due)",
        "inner_state = inner_state",
        (f"{TESTS}::test_after_a_rest_it_pulls_at_the_new_temperature_alone",),
    ),
    Mutant(
        "tether: no root of small temperatures",
        TETHER,
        "jnp.sqrt(like(jnp.maximum(last, 0), now.dtype)) * jnp.sqrt(now)",
        "jnp.sqrt(like(jnp.maximum(last, 0), now.dtype) * now)",
        (f"{TESTS}::test_a_temperature_in_joules_may_change",),
    ),
    Mutant(
        "tether: pushes away from its centre",
        TETHER,
        "away = x.astype(dtype) - like(center, dtype)",
        "away = like(center, dtype) - x.astype(dtype)",
        HAND,
    ),
    Mutant(
        "tether: does not know what heats the sampler",
        TETHER,
        "bath_temperature(temperature, state.count, temperature_scale)",
        "bath_temperature(temperature, state.count, 1.0)",
        RUNGS,
    ),
    Mutant(
        "tether: the force of the new temperature in the step of a swap",
        TETHER,
        "strength = _between(state.last_temperature, heat)",
        "strength = heat",
        RUNGS,
    ),
    Mutant(
        "tether: the force of the temperature before a swap",
        TETHER,
        "jnp.sqrt(like(jnp.maximum(last, 0), now.dtype)) * jnp.sqrt(now)",
        "like(jnp.maximum(last, 0), now.dtype)",
        RUNGS,
    ),
    Mutant(
        "tether: a centre in half precision",
        TETHER,
        "own = jax.tree.map(wide_copy, params)",
        "own = jax.tree.map(jnp.copy, params)",
        (f"{TESTS}::test_the_center_is_wider_than_half_precision",),
    ),
    Mutant(
        "tether: schedules do not count",
        TETHER,
        "next_count(state.count), state.center",
        "state.count, state.center",
        (f"{TESTS}::test_schedules_and_the_step_in_which_the_temperature_changes",),
    ),
]
