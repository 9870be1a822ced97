"""Defects of continuous tempering: the ones of the paper's text, and slips of the pen."""

from tests.mutants.mutant import Mutant

SCALING = "temperature/_scaling.py"
HILLS = "temperature/_metadynamics.py"
MEAN = "temperature/_mean_force.py"
COUPLING = "temperature/_coupling.py"
MOTION = "temperature/_coupling.py"
TEMPERING = "temperature/_tempering.py"
GRID = "temperature/_grid.py"
PHASES = "temperature/_ctld.py"
CTLD = "temperature/_ctld.py"

LAW = ("temperature/test_laws.py::test_joint_law_without_a_bias",)
FLAT = ("temperature/test_laws.py::test_bias_flattens_alpha_and_leaves_the_rest",)
STEPS = "temperature/test_steps.py"
PATH = (f"{STEPS}::test_the_path_of_alpha_by_hand",)
BATH = (f"{STEPS}::test_alpha_has_a_bath_of_its_own",)
BIASES = "temperature/test_biases.py"
INPUT = "temperature/test_input.py"
LOSSES = "temperature/_losses.py"
SEEN = "temperature/test_losses.py"
CONSTANT = (f"{SEEN}::test_a_constant_in_the_loss_changes_nothing[exact]",)
SPIKE = (f"{SEEN}::test_a_spike_of_the_loss_is_a_fault_and_passes[exact]",)
BASELINE = (f"{SEEN}::test_a_lower_baseline_changes_no_force_of_a_learnt_mean_or_of_frozen_hills",)

MUTANTS = [
    Mutant(
        "tempering: one whole kick of alpha, after its move",
        TEMPERING,
        'halves = law.exact and order == "alpha first"',
        "halves = False",
        PATH,
    ),
    Mutant(
        "tempering: the half kick before the move is missing",
        "temperature/_coupling.py",
        "alpha = pushed(alpha, answer, time / 2)",
        "alpha = pushed(alpha, answer, 0 * time)",
        PATH,
    ),
    Mutant(
        "mean force: late visits are rounded away",
        MEAN,
        "energy = added(energy, rate * (visit.scaling * visit.energy - energy), visit.count)",
        "energy += rate * (visit.scaling * visit.energy - energy)",
        (f"{BIASES}::test_late_visits_count",),
    ),
    Mutant(
        "ctld: a friction that makes the momentum negative",
        CTLD,
        "h * gamma > 1",
        "h * gamma > 2",
        (f"{INPUT}::test_ctld",),
    ),
    Mutant(
        "tempering: the printed wall, without the sign of alpha",
        SCALING,
        "-jnp.asarray(wall, alpha.dtype) * jnp.sign(alpha), 0)",
        "-jnp.asarray(wall, alpha.dtype), 0)",
        ("temperature/test_scaling.py::test_wall",),
    ),
    Mutant(
        "tempering: slope of the scaling with the wrong sign",
        SCALING,
        "return -jnp.sign(_floating(alpha)) *",
        "return jnp.sign(_floating(alpha)) *",
        ("temperature/test_scaling.py::test_slope_is_the_derivative",),
    ),
    Mutant(
        "tempering: hills without a mirror",
        HILLS,
        "        if mirror:",
        "        if False:",
        (f"{BIASES}::test_only_the_mirror_stops_the_leak",),
    ),
    Mutant(
        "tempering: hills attract",
        HILLS,
        "downhill = -(high - low)",
        "downhill = (high - low)",
        (f"{BIASES}::test_force_is_the_slope_of_the_bin",),
    ),
    Mutant(
        "tempering: hills end at two widths",
        HILLS,
        "_REACH = 6.0",
        "_REACH = 2.0",
        (f"{BIASES}::test_a_window_of_the_kernel_is_the_whole_kernel",),
    ),
    Mutant(
        "tempering: well-tempered hills that grow",
        HILLS,
        "hill *= jnp.exp(-(low",
        "hill *= jnp.exp((low",
        (f"{BIASES}::test_well_tempered_hills_shrink",),
    ),
    Mutant(
        "tempering: a frozen bias that goes on",
        HILLS,
        "due &= visit.count < as_steps(freeze_after)",
        "pass",
        (f"{BIASES}::test_when_a_hill_is_laid",),
    ),
    Mutant(
        "tempering: hills outside of the grid, at its edge",
        HILLS,
        "due = visit.seen & inside(state.nodes[-1], visit.alpha) & on_time",
        "due = visit.seen & on_time",
        (f"{BIASES}::test_when_a_hill_is_laid",),
    ),
    Mutant(
        "tempering: the mean energy without g",
        MEAN,
        "rate * (visit.scaling * visit.energy - energy)",
        "rate * (visit.energy - energy)",
        (f"{BIASES}::test_mean_energy",),
    ),
    Mutant(
        "tempering: the mean force twice",
        MEAN,
        "return visit.slope / visit.scaling * (low",
        "return 2 * visit.slope / visit.scaling * (low",
        (f"{BIASES}::test_mean_force_cancels_what_equipartition_makes_of_the_energy",),
    ),
    Mutant(
        "tempering: a place in the bin from its right end",
        GRID,
        "return left, jnp.clip((alpha - start) / spacing(nodes), 0, 1)",
        "return left, 1 - jnp.clip((alpha - start) / spacing(nodes), 0, 1)",
        (f"{BIASES}::test_mean_energy",),
    ),
    Mutant(
        "tempering: no kinetic energy in the paper's coupling",
        COUPLING,
        "    return loss + kinetic_energy(state, mass)\n",
        "    return loss\n",
        LAW,
    ),
    Mutant(
        "tempering: twice the kinetic energy",
        COUPLING,
        "total += squares.astype(total.dtype) / 2",
        "total += squares.astype(total.dtype)",
        PATH,
    ),
    Mutant(
        "tempering: momenta are not rescaled",
        TEMPERING,
        "            if law.rescales:",
        "            if False:",
        LAW,
    ),
    Mutant(
        "tempering: momenta are rescaled the wrong way",
        TEMPERING,
        "factor = jnp.sqrt(before / scaling(state.alpha))",
        "factor = jnp.sqrt(scaling(state.alpha) / before)",
        LAW,
    ),
    Mutant(
        "tempering: energies in units of the loss",
        TEMPERING,
        "like(total / jnp.where(warm, heat, 1), jnp.float32)",
        "like(total, jnp.float32)",
        PATH,
    ),
    Mutant(
        "tempering: the bath at T g instead of T / g",
        TEMPERING,
        "like(temperature_scale, state.alpha.dtype) / scaling(state.alpha)",
        "like(temperature_scale, state.alpha.dtype) * scaling(state.alpha)",
        LAW,
    ),
    Mutant(
        "tempering: alpha is pulled where it should be pushed",
        TEMPERING,
        "sum(learnt, -slope * visit.energy)",
        "sum(learnt, slope * visit.energy)",
        LAW,
    ),
    Mutant(
        "tempering: alpha moves although the bath is cold",
        TEMPERING,
        "alpha=jnp.where(warm, alpha.position, here.position)",
        "alpha=alpha.position",
        (f"{STEPS}::test_ctld_without_a_sampling_phase_is_sgd_with_momentum",),
    ),
    Mutant(
        "tempering: a loss that is not finite counts as 0",
        TEMPERING,
        "seen = warm & jnp.isfinite(told.energy)",
        "seen = warm",
        (f"{INPUT}::test_a_loss_that_is_not_finite",),
    ),
    Mutant(
        "tempering: steps off the grid are not counted",
        TEMPERING,
        "outside=state.outside + off.astype(jnp.int32)",
        "outside=state.outside",
        ("temperature/test_laws.py::test_outside_counts_the_steps_off_the_grid",),
    ),
    Mutant(
        "tempering: the printed order is the other one",
        TEMPERING,
        'if order == "as printed":\n            moved',
        'if order == "never":\n            moved',
        PATH,
    ),
    Mutant(
        "tempering: alpha's bath at the wrong temperature",
        MOTION,
        "noise, friction, mass, time)",
        "noise, friction, 1.0, time)",
        BATH,
    ),
    Mutant(
        "tempering: alpha starts at the wrong temperature",
        MOTION,
        'initial_momenta(position, key, mass, "thermal"',
        'initial_momenta(position, key, 2 * mass, "thermal"',
        (f"{STEPS}::test_start_of_alpha",),
    ),
    Mutant(
        "tempering: alpha's noise is that of the sampler",
        TEMPERING,
        'stream_key(key, "continuous_tempering", params)',
        'stream_key(key, "sghmc", params)',
        (f"{STEPS}::test_alpha_and_the_sampler_share_no_noise_with_one_key",),
    ),
    Mutant(
        "tempering: alpha's noise repeats where the count stays",
        TEMPERING,
        "rng_key=next_key(state.rng_key, state.count),",
        "rng_key=state.rng_key,",
        ("contract/test_keys.py::test_noise_goes_on_where_the_count_stays[continuous_tempering]",),
    ),
    Mutant(
        "tempering: alpha's bath gives sqrt(2) of its noise",
        MOTION,
        "flows.bath(alpha.momentum, noise,",
        "flows.bath(alpha.momentum, 2**0.5 * noise,",
        BATH,
    ),
    Mutant(
        "tempering: alpha drifts for the whole step twice",
        MOTION,
        "drift(middle, momentum, time / 2, mass)",
        "drift(middle, momentum, time, mass)",
        PATH,
    ),
    Mutant(
        "tempering: no baseline of the loss",
        LOSSES,
        "loss - new, 0)",
        "loss, 0)",
        CONSTANT,
    ),
    Mutant(
        "tempering: the loss is cast before the baseline is taken away",
        LOSSES,
        "loss - new, 0)",
        "(loss.astype(jnp.float32) - new.astype(jnp.float32)).astype(loss.dtype), 0)",
        CONSTANT,
    ),
    Mutant(
        "tempering: one low loss is the baseline",
        LOSSES,
        "loss, jnp.maximum(loss, last))",
        "loss, loss)",
        (f"{SEEN}::test_the_baseline_by_hand",),
    ),
    Mutant(
        "tempering: alpha feels all of a spike",
        TEMPERING,
        "jnp.clip(energy, usual - limit / g, usual + limit / g)",
        "energy",
        SPIKE,
    ),
    Mutant(
        "tempering: spikes are not counted",
        TEMPERING,
        "(warm & (~seen | spike))",
        "(warm & ~seen)",
        SPIKE,
    ),
    Mutant(
        "tempering: the learnt mean ignores a lower baseline",
        MEAN,
        "energy = state.energy - scaling * settings.change",
        "energy = state.energy",
        BASELINE,
    ),
    Mutant(
        "tempering: frozen hills make up for a lower baseline beside a mean, too",
        GRID,
        "change = jnp.where(takes, 0, change)",
        "change = jnp.where(takes, change, change)",
        BASELINE,
    ),
    Mutant(
        "tempering: hills take a lower baseline before the mean",
        GRID,
        "key=lambda place: not biases[place].learns_mean",
        "key=lambda place: biases[place].learns_mean",
        BASELINE,
    ),
    Mutant(
        "tempering: the free energy of tempered hills stretches a lower baseline",
        HILLS,
        "self.boost * self.hills + self.raised",
        "self.boost * (self.hills + self.raised)",
        BASELINE,
    ),
    Mutant(
        "tempering: another temperature inside is accepted",
        "temperature/_coupling.py",
        "if not any(np.isclose(",
        "if False and not any(np.isclose(",
        ("temperature/test_baths.py::test_another_temperature_is_refused_at_init",),
    ),
    Mutant(
        "tempering: the bias factor of the state wins",
        HILLS,
        "raised=raised, boost=boost(state.nodes.dtype))",
        "raised=raised)",
        ("temperature/test_settings.py::test_another_edge_and_another_bias_factor",),
    ),
    Mutant(
        "tempering: a large number of steps wraps around",
        "_base/_checks.py",
        "return jnp.where(large, _MOST_STEPS, jnp.where(large, 0, number).astype(jnp.int32))",
        "return jnp.where(large, 0, jnp.where(large, 0, number).astype(jnp.int32))",
        ("temperature/test_step_numbers.py::test_large_numbers_saturate",),
    ),
    Mutant(
        "phases: refinement keeps its heat",
        PHASES,
        "scale = jnp.where(exploring, scale, 0)",
        "scale = jnp.where(exploring, scale, scale)",
        (f"{STEPS}::test_two_phases",),
    ),
    Mutant(
        "ctld: the momentum of half the friction",
        CTLD,
        "1 - at(step_size, count) * at(friction, count)",
        "1 - at(step_size, count) * at(friction, count) / 2",
        (f"{STEPS}::test_ctld_without_a_sampling_phase_is_sgd_with_momentum",),
    ),
    Mutant(
        "scaling: whole numbers keep their dtype, in which 0.4 is 0",
        "temperature/_scaling.py",
        "if isinstance(alpha, jax.Array) and jnp.issubdtype(alpha.dtype, jnp.floating):",
        "if isinstance(alpha, jax.Array):",
        ("temperature/test_scaling.py::test_whole_numbers_of_jax",),
    ),
]
