"""Defects of what all samplers share: the channel of heat, faults, shards, swaps of momenta."""

from tests.mutants.mutant import Mutant

SAMPLER = "integrators/_sampler.py"
WORDS = "integrators/_words.py"
FLOWS = "integrators/_flows.py"
STEPS = "integrators/_adaptive_steps.py"
CHANNEL = "_base/_bath.py"
SHARDS = "_noise/_shards.py"

BATH = "contract/test_bath.py"
FAULTS = "contract/test_faults.py"
SPLIT = "contract/test_shard_map.py"
ONE_THERMOSTAT = (f"{SPLIT}::test_one_thermostat_for_all_shards",)
LOST = (f"{BATH}::test_lost_heat_is_an_error",)
HUGE = f"{FAULTS}::test_a_huge_gradient_disables_nothing"
SWAPPED = "replicas/test_swaps_at_finite_steps.py::test_every_rung_keeps_its_law"
BY_WORDS, BY_FLOWS = (f"{SWAPPED}[BAOAB]",), (f"{SWAPPED}[BADODAB]",)

REST = ("physics/test_rest.py::test_a_rest_leaves_the_path_as_it_is",)

MUTANTS = [
    Mutant(
        "heat: a wrapper that loses it is not noticed",
        CHANNEL,
        "    if lost:",
        "    if False:",
        LOST,
    ),
    Mutant(
        "heat: it has arrived where one sampler of several has it",
        CHANNEL,
        "lost = [name for name in shapes if name not in reached]",
        "lost = [name for name in shapes if not reached]",
        LOST,
    ),
    Mutant(
        "heat: arguments are dropped before a wrapper that would hand them on",
        CHANNEL,
        "if isinstance(tx, optax.GradientTransformationExtraArgs) or not _takes_any(tx.update):",
        "if True:",
        (f"{BATH}::test_no_argument_is_dropped",),
    ),
    Mutant(
        "heat: nothing inside could be heated, and nobody says so",
        CHANNEL,
        "if needs_bath and jax.tree.leaves(params) and not heatable:",
        "if False:",
        (f"{BATH}::test_nothing_to_heat",),
    ),
    Mutant(
        "heat: the state shows the temperature as built",
        SAMPLER,
        "bath_temperature=heat.astype(jnp.float32),",
        "bath_temperature=state.bath_temperature,",
        (f"{BATH}::test_the_bath_of_a_step_is_in_the_state",),
    ),
    Mutant(
        "faults: a huge gradient enters the state",
        SAMPLER,
        "leaf(scalars, *noises, finite_or_zero(shown), *others)",
        "leaf(scalars, *noises, jnp.where(jnp.isfinite(shown), shown, 0), *others)",
        (f"{HUGE}[langevin]",),
    ),
    Mutant(
        "faults: a huge gradient kicks the momenta of a thermostat",
        STEPS,
        "finite_or_zero(gradient).astype(dtype)",
        "gradient.astype(dtype)",
        (f"{HUGE}[adaptive_langevin]",),
    ),
    Mutant(
        "faults: a huge gradient enters the estimate of noise",
        "integrators/_covariance.py",
        "finite_or_zero(gradient).astype(last.dtype)",
        "gradient.astype(last.dtype)",
        (f"{HUGE}[covariance_controlled_langevin]",),
    ),
    Mutant(
        "faults: a gradient that is not a number does not show",
        SAMPLER,
        "return jnp.where(is_sound(gradient), displacement, -gradient.astype(displacement.dtype))",
        "return displacement",
        (f"{FAULTS}::test_bad_gradients_show_but_leave_the_state_sound",),
    ),
    Mutant(
        "shards: they share their noise",
        "_noise/_map.py",
        "key = fold(fold(key, _SHARDS), lax.axis_index(axis))",
        "key = fold(key, _SHARDS)",
        (f"{SPLIT}::test_noise_of_shards[sgld]",),
    ),
    Mutant(
        "shards: the mean of their energies for the sum",
        SHARDS,
        "jax.lax.psum(total, axes)",
        "jax.lax.pmean(total, axes)",
        ONE_THERMOSTAT,
    ),
    Mutant(
        "shards: the coordinates of one of them counted",
        SHARDS,
        " * math.prod(map(jax.lax.axis_size, varying_axes(leaf)))",
        "",
        ONE_THERMOSTAT,
    ),
    Mutant(
        "shards: a sample that is finite on some of them is stored",
        SHARDS,
        "jax.lax.pmin(",
        "jax.lax.pmax(",
        (f"{SPLIT}::test_samples_of_shards",),
    ),
    Mutant(
        "shards: hidden ones share their noise without a warning",
        SHARDS,
        "if axes and not varying_axes(jax.lax.axis_index(axes[0])):",
        "if False:",
        (f"{SPLIT}::test_hidden_axes",),
    ),
    Mutant(
        "swaps: momenta of a linear step rescaled half a kick too early",
        WORDS,
        "of_gradient = (ahead - factor * owed) * (time / 2)",
        "of_gradient = 0 * time",
        BY_WORDS,
    ),
    Mutant(
        "swaps: the half kick of a linear step with the wrong sign",
        WORDS,
        "of_gradient = (ahead - factor * owed) * (time / 2)",
        "of_gradient = (factor * owed - ahead) * (time / 2)",
        BY_WORDS,
    ),
    Mutant(
        "swaps: momenta of a thermostat rescaled half a kick too early",
        FLOWS,
        "factor * momentum + (ahead - factor * owed) * (time / 2) * gradient",
        "factor * momentum",
        BY_FLOWS,
    ),
    Mutant(
        "swaps: the half kick of a thermostat with the wrong sign",
        FLOWS,
        "factor * momentum + (ahead - factor * owed) * (time / 2) * gradient",
        "factor * momentum - (ahead - factor * owed) * (time / 2) * gradient",
        BY_FLOWS,
    ),
    Mutant(
        "swaps: momenta are rescaled again in every step",
        SAMPLER,
        "jnp.clip(state.momentum_scale, 1, 1)",
        "state.momentum_scale",
        ("replicas/test_resumed.py::test_another_ladder_wins_and_momenta_follow",),
    ),
    Mutant(
        "swaps: after a rest the half kick that it has made is made again",
        SAMPLER,
        "for rest in (state.rested, state.to_rest))",
        "for rest in (state.rested & False, state.to_rest))",
        REST,
    ),
    Mutant(
        "swaps: a linear step that rests moves",
        WORDS,
        "rest = resting.astype(affine.retain.dtype)",
        "rest = 0 * resting.astype(affine.retain.dtype)",
        REST,
    ),
    Mutant(
        "swaps: santa moves while it rests",
        "integrators/_santa.py",
        "*(root(step.time(learning_rate)), target),",
        "*(h, target),",
        REST,
    ),
    Mutant(
        "swaps: SGNHT forgets its first friction where it rests",
        STEPS,
        "first = like(bath.kick_time, dtype) * like(bath.swap.owed, dtype)",
        "first = time",
        REST,
    ),
    Mutant(
        "masters: the rounded copy is the master",
        "integrators/_masters.py",
        "masters = state.masters",
        "masters = jax.tree.map(_wide, params)",
        ("physics/test_half_precision.py::test_masters_remember_what_rounding_loses",),
    ),
]
