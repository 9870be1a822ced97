"""Defects of warm-ups: of what they measure, of what they choose, and of their samples."""

from tests.mutants.mutant import Mutant

TUNER = "tuning/_tuner.py"
RULES = "tuning/_settings.py"
GAUGES = "tuning/_gauges.py"

WARM_UPS = "tuning/test_warm_up.py"
LAW = (f"{WARM_UPS}::test_law_whatever_the_first_step",)

MUTANTS = [
    Mutant(
        "warm-up: masses with the whole spread of the curvatures",
        RULES,
        "return (pulled * typical / temperature).astype(x.dtype)",
        "return (jnp.square(pulled) * typical / temperature).astype(x.dtype)",
        (f"{WARM_UPS}::test_masses_are_roots_of_the_curvatures",),
    ),
    Mutant(
        "warm-up: noise of minibatches is not seen",
        GAUGES,
        "return jnp.where(excess > chance, excess, 0)",
        "return 0 * excess",
        (f"{WARM_UPS}::test_noise_of_minibatches_raises_the_friction",),
    ),
    Mutant(
        "warm-up: minibatches of different noise count as stiffness",
        GAUGES,
        "relative = jnp.where(noisy, jnp.minimum(excess, steady), excess)",
        "relative = jnp.where(noisy, excess, excess + 0 * steady)",
        (f"{WARM_UPS}::test_minibatches_of_different_noise_do_not_count_as_stiffness",),
    ),
    Mutant(
        "warm-up: a far start is kicked with its whole force",
        TUNER,
        "h = jnp.minimum(h, rules.largest_step(force, thermal, count))",
        "rules.largest_step(force, thermal, count)",
        LAW,
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
        'if "friction" not in names:',
        "if False:",
        (f"{WARM_UPS}::test_only_the_learnt_settings_are_passed_on",),
    ),
]
