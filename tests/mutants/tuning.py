"""Defects of warm-ups: of what they measure, of what they choose, and of their samples."""

from tests.mutants.mutant import Mutant

TUNER = "tuning/_tuner.py"
RULES = "tuning/_settings.py"
GAUGES = "tuning/_gauges.py"

WARM_UPS = "tuning/test_warm_up.py"
MEASURED = "tuning/test_gauges.py"
ORDERS = f"{MEASURED}::test_batches_that_are_not_put_back_do_not_count_as_overturning"
BEYOND = "tuning/test_places_beyond.py"
ZEROS = (f"{BEYOND}::test_gradients_that_are_zero_for_a_while_tell_nothing",)
LAW = (f"{WARM_UPS}::test_law_whatever_the_first_step",)

STEPS = "tuning/_adaptive_step.py"
ADAPTIVE = "tuning/test_adaptive_step.py"

CALLS = "tuning/test_warm_up_calls.py"
EPOCHS = "tuning/test_epochs.py"
FEW = (f"{MEASURED}::test_few_parameters_and_noisy_gradients",)

MUTANTS = [
    Mutant(
        "warm-up: noise of an epoch counts as drawn anew",
        TUNER,
        "kept, learnt, steps_per_epoch)",
        "kept, learnt, None)",
        (f"{EPOCHS}::test_law_and_speed",),
    ),
    Mutant(
        "warm-up: a function that asks for masses gets none where they are not learnt",
        "tuning/_warm_up.py",
        "            mass = 1.0\n        values",
        "            pass\n        values",
        (
            "tuning/test_warm_up.py::test_a_function_that_asks_for_masses_gets_one_where_none_are_learnt",
        ),
    ),
    Mutant(
        "warm-up: batches that are drawn anew count as reshuffled",
        "samples/_batches.py",
        'return None if self.order == "replacement" else self.steps_per_epoch',
        "return self.steps_per_epoch",
        (f"{EPOCHS}::test_the_order_says_whether_errors_cancel",),
    ),
    Mutant(
        "warm-up: an epoch is ten times shorter",
        RULES,
        "steps * (steps + 1) / 12",
        "steps * (steps + 1) / 1200",
        (f"{EPOCHS}::test_law_and_speed",),
    ),
    Mutant(
        "warm-up: the heat of an epoch grows with the step, not its cube",
        RULES,
        "jnp.cbrt(friction * quiet)",
        "friction * quiet",
        (f"{EPOCHS}::test_the_longest_step_heats_by_five_percent",),
    ),
    Mutant(
        "warm-up: noise that opposes itself looks like softness",
        GAUGES,
        "loss = gauges.lag_loss + opposed / jnp.maximum(steps_per_epoch - 1, 1)",
        "loss = gauges.lag_loss",
        (f"{EPOCHS}::test_stiffness_behind_the_noise_of_an_epoch",),
    ),
    Mutant(
        "warm-up: a loss below 0 says that a chain is soft",
        GAUGES,
        "jnp.maximum(loss, 0) + _SURE",
        "loss + _SURE",
        (f"{EPOCHS}::test_stiffness_behind_the_noise_of_an_epoch",),
    ),
    Mutant(
        "warm-up: noise heats under a fixed friction",
        RULES,
        "shorter = (findings.cancels > 0) | (fixed is not None)",
        "shorter = findings.cancels > 0",
        (f"{EPOCHS}::test_under_a_fixed_friction_the_step_is_shorter",),
    ),
    Mutant(
        "warm-up: learns masses without a gradient",
        TUNER,
        "renew &= gauges_of.total(squared) > 0",
        "renew &= gauges_of.total(squared) >= 0",
        ZEROS,
    ),
    Mutant(
        "warm-up: chooses a step without a gradient",
        RULES,
        "jnp.where(gauges.force > 0, final, step_size)",
        "final",
        ZEROS,
    ),
    Mutant(
        "warm-up: noise far from the posterior is held to the heat of the bath",
        RULES,
        "warms = _WARMS + far",
        "warms = _WARMS + 0 * far",
        (f"{MEASURED}::test_a_far_start_with_noisy_batches_is_left_behind",),
    ),
    Mutant(
        "warm-up: where noise hides the turn, the step never grows",
        RULES,
        "jnp.where((far > 0) & (noise > _BLIND), heated, 0)",
        "-jnp.inf",
        (f"{MEASURED}::test_a_far_start_with_noisy_batches_is_left_behind",),
    ),
    Mutant(
        "warm-up: the heat of few momenta is high by chance",
        RULES,
        " + gauges_of.heat_by_chance(degrees)",
        "",
        FEW,
    ),
    Mutant(
        "warm-up: noise of few steps counts as chance",
        GAUGES,
        "share * (1 - jnp.square(chance / jnp.maximum(share, chance)))",
        "share - 3 * error",
        FEW,
    ),
    Mutant(
        "warm-up: remembers a place that was left",
        GAUGES,
        "jnp.where(left, 0.5, 1 - 1 / number)",
        "1 - 1 / number",
        (f"{MEASURED}::test_a_place_that_was_left_is_forgotten",),
    ),
    Mutant(
        "warm-up: steps as bold as the heat of a place that was left",
        TUNER,
        "jnp.minimum(gauges.heat, _COOLED * heat)",
        "gauges.heat",
        ("tuning/test_places_beyond.py::test_heat_that_has_left_allows_no_bold_step",),
    ),
    Mutant(
        "warm-up: noise of an epoch's batches overturns",
        GAUGES,
        "return gauges.lag < -_OPPOSED * gauges.square",
        "return gauges.lag < 0",
        (f"{ORDERS}[20]",),
    ),
    Mutant(
        "warm-up: a step may shrink without a force",
        RULES,
        "least = jnp.clip(aim - kick, -3, 0)",
        "least = -3",
        (f"{ORDERS}[100]",),
    ),
    Mutant(
        "warm-up: noise that hides the turn sets no limit",
        RULES,
        "jnp.minimum(turned, jnp.maximum(heated, -3))",
        "turned",
        (f"{ORDERS}[20]", f"{ORDERS}[100]"),
    ),
    Mutant(
        "warm-up: the chance of noise counts as unevenness",
        GAUGES,
        "chance = 3 * gauges.loss_squares / number**1.5",
        "chance = 0.0",
        (f"{ORDERS}[20]", f"{ORDERS}[100]"),
    ),
    Mutant(
        "warm-up: as bold a step where masses are learnt",
        RULES,
        "mean_turn = _MASSES_TURN if has_learnt_masses else _MEAN_TURN",
        "mean_turn = _MEAN_TURN",
        (f"{WARM_UPS}::test_the_mean_mode_turns_less_where_masses_are_learnt[True]",),
    ),
    Mutant(
        "warm-up: takes the heat of some parameters for that of all",
        "tuning/_warm_up.py",
        "if moving != number:",
        "if moving > number:",
        (f"{CALLS}::test_all_parameters_have_momenta_and_no_others",),
    ),
    Mutant(
        "warm-up: the report of several is that of the first",
        "tuning/_report.py",
        "    if others:",
        "    if False:",
        (f"{CALLS}::test_the_report_is_of_one_warm_up",),
    ),
    Mutant(
        "adaptive step: a force inside, of which half a kick belongs to another step",
        "tuning/_adaptive_step.py",
        '    "TetherState": ("tether", ',
        '    "NoTetherState": ("tether", ',
        (f"{ADAPTIVE}::test_what_must_not_be_inside",),
    ),
    Mutant(
        "warm-up: the step is not tried",
        RULES,
        "    return Settings(h, friction), found",
        "    return Settings(findings.wanted, friction), found",
        (f"{MEASURED}::test_one_stiff_mode_among_hundreds",),
    ),
    Mutant(
        "warm-up: friction is taken for stiffness",
        GAUGES,
        "turned = 2 * (2 + kept - gauges.lag_loss / missing) / (1 + kept)",
        "turned = 3 - gauges.lag_loss / missing",
        (f"{MEASURED}::test_stiff_modes_are_measured",),
    ),
    Mutant(
        "warm-up: learns the masses of networks without being asked",
        "tuning/_warm_up.py",
        "network = learn is None and any(",
        "network = learn == () and any(",
        (f"{WARM_UPS}::test_masses_of_networks_are_learnt_only_by_name",),
    ),
    Mutant(
        "adaptive step: the whole kick belongs to the new step",
        STEPS,
        "(1 + last / factor) / 2",
        "jnp.ones_like(last)",
        (f"{ADAPTIVE}::test_steps_are_those_of_zbaoabz",),
    ),
    Mutant(
        "adaptive step: parameters count by the step that led to them",
        STEPS,
        "factor_at(zeta), factor_at(halfway(zeta))",
        "factor_at(zeta), factor_at(zeta)",
        (f"{ADAPTIVE}::test_law_in_a_harmonic_well",),
    ),
    Mutant(
        "adaptive step: a fault makes the step longer",
        STEPS,
        "return jnp.where(sound, zeta + gain * (seen - zeta), zeta)",
        "return zeta + gain * (seen - zeta)",
        (f"{ADAPTIVE}::test_a_fault_leaves_the_step_as_it_is",),
    ),
    Mutant(
        "adaptive step: collectors count steps",
        "samples/_rule.py",
        "answer = (count >= begin) & (ticks != last) & (ticks % every == 0)",
        "answer = (count >= begin) & ((count - begin) % every == 0)",
        (f"{ADAPTIVE}::test_collectors_sample_at_equal_times",),
    ),
    Mutant(
        "warm-up: masses with the whole spread of the curvatures",
        RULES,
        "return (pulled * typical / temperature).astype(x.dtype)",
        "return (jnp.square(pulled) * typical / temperature).astype(x.dtype)",
        (f"{WARM_UPS}::test_masses_are_roots_of_the_curvatures",),
    ),
    Mutant(
        "warm-up: what was measured at long steps shortens a short one",
        GAUGES,
        "lag_loss=told * gauges.lag_loss * jnp.square(ratio),",
        "lag_loss=told * gauges.lag_loss,",
        (f"{BEYOND}::test_the_loss_of_another_step",),
    ),
    Mutant(
        "warm-up: one stiff place is all that is seen",
        GAUGES,
        "share = jnp.minimum(1, most / jnp.maximum(size, 1e-37))",
        "share = 1.0",
        (f"{BEYOND}::test_a_stiff_place_on_the_way_does_not_shorten_the_step_for_good",),
    ),
    Mutant(
        "warm-up: a force beyond the law is not seen",
        RULES,
        "return Settings(h, _COOLS / h), h < settings.step_size",
        "return Settings(h, _COOLS / h), h < 0",
        (f"{BEYOND}::test_a_chain_comes_back_from_where_its_step_is_far_too_long",),
    ),
    Mutant(
        "warm-up: all forces are beyond the law",
        RULES,
        "largest = degrees + 2 * (degrees * _RARELY) ** 0.5 + 2 * _RARELY",
        "largest = degrees / 4",
        (f"{BEYOND}::test_a_chain_within_its_law_is_left_alone",),
    ),
    Mutant(
        "warm-up: a colder bath slows what is still hot",
        TUNER,
        "heat = jnp.maximum(temperature, findings.temperature)",
        "heat = jnp.maximum(temperature, 1e-9)",
        (f"{BEYOND}::test_a_bath_that_was_cooled_does_not_slow_what_is_still_hot",),
    ),
    Mutant(
        "warm-up: noise of minibatches is not seen",
        GAUGES,
        "return jnp.clip(shrunk, 0, 1) * gauges.square / number",
        "return 0 * gauges.square",
        (f"{MEASURED}::test_noise_of_minibatches_raises_the_friction",),
    ),
    Mutant(
        "warm-up: minibatches of different noise count as stiffness",
        GAUGES,
        "relative = jnp.where(noisy, jnp.minimum(excess, steady), excess)",
        "relative = jnp.where(noisy, excess, excess + 0 * steady)",
        (f"{MEASURED}::test_minibatches_of_different_noise_do_not_count_as_stiffness",),
    ),
    Mutant(
        "warm-up: a far start is kicked with its whole force",
        TUNER,
        "h = jnp.minimum(h, rules.largest_step(plan, force, thermal, count))",
        "rules.largest_step(plan, force, thermal, count)",
        LAW,
    ),
    Mutant(
        "warm-up: masses that are given are taken for 1",
        TUNER,
        "entries.get(place, 1.0)",
        "1.0",
        (f"{WARM_UPS}::test_law_of_what_is_not_one_sampler",),
    ),
    Mutant(
        "warm-up: its samples are collected",
        "samples/_rule.py",
        " & ~_is_warming(state.inner_state)",
        "",
        (f"{WARM_UPS}::test_samples_of_the_warm_up_are_left_out",),
    ),
    Mutant(
        "warm-up: begins again where num_steps is longer",
        "tuning/_warm_up.py",
        "warming = state.warming & (count < plan.end)",
        "warming = count < plan.end",
        (f"{WARM_UPS}::test_a_warm_up_that_is_over_stays_over",),
    ),
    Mutant(
        "warm-up: settings of other names are chosen too",
        TUNER,
        """fixed = None if "friction" in names""",
        """fixed = None if True""",
        (f"{WARM_UPS}::test_only_the_learnt_settings_are_passed_on",),
    ),
    Mutant(
        "warm-up: a network without learnt masses is refused in its first step",
        "tuning/_warm_up.py",
        '_check_learnt(state.mass, params, "mass" in names)',
        '_check_learnt(state.mass, params, "mass" in chosen)',
        ("tuning/test_warm_up_calls.py::test_a_network_goes_on_by_itself",),
    ),
]
