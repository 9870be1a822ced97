"""Defects of the adaptive thermostats, of covariance control and of the metric."""

from tests.mutants.mutant import Mutant

FLOWS = "integrators/_flows.py"
STEPS = "integrators/_adaptive_steps.py"
THERMOSTAT = "integrators/_thermostat.py"
SAMPLER = "integrators/_sampler.py"
COVARIANCE = "integrators/_covariance.py"
METRIC = "integrators/_preconditioned.py"

EXACT_FLOWS = "physics/test_flows.py"
ADAPTIVE = "physics/test_adaptive.py"
OBSERVED = (
    *("test_configurational_temperature", "test_mean_friction", "test_spread_of_friction"),
    "test_kinetic_temperature_is_exact_at_the_thermostat",
)
AUTHORS, TEXTBOOK, FIRST_ORDER = (
    tuple(f"{ADAPTIVE}::TestGradientNoiseIsAbsorbed::{test}[{word}]" for test in OBSERVED)
    for word in ("ACDEDCAB", "BADODAB", "SGNHT")
)
VARIANTS = "physics/test_adaptive_variants.py"
CONTROL = ("physics/test_covariance_control.py",)
METRICS = "physics/test_metric.py"
SPIKES = "physics/test_spikes.py"
SETTINGS = "physics/test_thermostat_settings.py"

MUTANTS = [
    Mutant(
        "thermostat: one by tensor is resumed by group",
        THERMOSTAT,
        "if state.friction.shape != degrees.shape:",
        "if False:",
        (f"{SETTINGS}::test_a_run_goes_on_with_its_thermostat",),
    ),
    Mutant(
        "covariance control: a decay that rounds to 1 learns nothing",
        COVARIANCE,
        "decay = memory(at(covariance_decay, count))",
        "decay = at(covariance_decay, count)",
        (f"{SETTINGS}::test_a_decay_that_is_rounded_to_one_is_a_mean",),
    ),
    Mutant(
        "decays: half a precision refuses the default 0.999",
        "_base/_checks.py",
        "below = (lambda x: x <= 1) if half else",
        "below = (lambda x: x < 1) if half else",
        (f"{SETTINGS}::test_half_a_precision_rounds_the_default_decay",),
    ),
    *(
        Mutant(
            f"{name}: the present decay counts for all earlier steps",
            file,
            f"{decay} * state.start_share",
            f"{decay} ** (count + {steps}).astype(jnp.float32)",
            (f"{SETTINGS}::test_a_mean_knows_the_decays_that_it_had",),
        )
        for name, file, decay, steps in (
            ("covariance_controlled_langevin", COVARIANCE, "decay", -1),
            ("psgld", METRIC, "alpha", 1),
            ("santa", "integrators/_santa.py", "alpha", 1),
        )
    ),
    Mutant(
        "thermostat: what is below the last digit of a friction is rounded away",
        THERMOSTAT,
        "regulated = added(friction, change, step.count)",
        "regulated = friction + change",
        (f"{SETTINGS}::test_a_friction_feels_less_than_its_last_digit",),
    ),
    Mutant(
        "thermostat: norm for norm squared",
        THERMOSTAT,
        "sum_of_squares_over(mass, leaf.astype(dtype)) for mass",
        "jnp.sqrt(sum_of_squares_over(mass, leaf.astype(dtype))) for mass",
        AUTHORS,
    ),
    Mutant(
        "thermostat: the first dimension for the number of coordinates",
        "_noise/_shards.py",
        "return math.prod(leaf.shape) * ",
        "return math.prod(leaf.shape[:1]) * ",
        AUTHORS,
    ),
    Mutant(
        "thermostat: reads the friction of the wrong tensor",
        THERMOSTAT,
        "scalars = list(values) if",
        "scalars = list(values)[::-1] if",
        (f"{ADAPTIVE}::test_a_thermostat_for_each_tensor_absorbs_its_noise",),
    ),
    Mutant(
        "thermostat: friction falls while hot",
        FLOWS,
        "rate + time * coupling * energy_excess",
        "rate - time * coupling * energy_excess",
        (f"{EXACT_FLOWS}::test_thermostat_rises_when_hot",),
    ),
    Mutant(
        "thermostat: friction scaled by the coupling",
        THERMOSTAT,
        "rate = friction * eps if scaled_friction else friction",
        "rate = friction * eps",
        AUTHORS,
    ),
    Mutant(
        "thermostat: the option scaled_friction is ignored",
        THERMOSTAT,
        "rate = friction * eps if scaled_friction else friction",
        "rate = friction",
        (f"{VARIANTS}::test_scaled_friction_has_the_square_root_of_the_coupling",),
    ),
    Mutant(
        "thermostat: mean energy driven by the total",
        THERMOSTAT,
        "excess = excess / degrees",
        "excess = excess",
        (f"{VARIANTS}::test_mean_energy_has_the_coupling_divided_by_the_coordinates",),
    ),
    Mutant(
        "thermostat: temperature_scale heats the target, not the noise",
        THERMOSTAT,
        " * jnp.sqrt(step.scale)",
        "",
        (f"{ADAPTIVE}::test_temperature_scale_heats_bath_and_noise_alike",),
    ),
    Mutant(
        "thermostat: the count does not advance",
        SAMPLER,
        "count=next_count(count),",
        'count=count if name.startswith("adaptive") else next_count(count),',
        AUTHORS,
    ),
    Mutant(
        "thermostat: regulates at temperature 0",
        THERMOSTAT,
        "return jnp.where(hot & (eps * time > 0), regulated, friction)",
        "return regulated",
        (f"{VARIANTS}::test_a_bath_at_zero_neither_heats_nor_regulates",),
    ),
    Mutant(
        "thermostat: one large gradient freezes the momenta",
        THERMOSTAT,
        "regulated = jnp.clip(regulated, friction - most, friction + most)",
        "pass",
        ("contract/test_faults.py::test_a_large_gradient_does_not_freeze_the_momenta",),
    ),
    Mutant(
        "diffusion: time for its square root",
        FLOWS,
        "momentum + amplitude * jnp.sqrt(time) * noise",
        "momentum + amplitude * time * noise",
        (f"{EXACT_FLOWS}::test_diffusion_has_the_variance_of_a_random_walk",),
    ),
    Mutant(
        "adaptive bath: no limit at friction 0",
        FLOWS,
        "return jnp.where(tiny, time * (1 - rate * time), heating(safe, time) / (2 * safe))",
        "return heating(rate, time) / (2 * rate)",
        (f"{EXACT_FLOWS}::test_adaptive_bath_at_any_friction",),
    ),
    Mutant(
        "adaptive bath: plain square root of the time below friction 0.1",
        FLOWS,
        "jnp.abs(rate * time) < 1e-4",
        "jnp.abs(rate) < 0.1",
        (f"{EXACT_FLOWS}::test_adaptive_bath_at_any_friction",),
    ),
    Mutant(
        "ACDEDCAB: half of D missing",
        STEPS,
        "_flows.diffusion(cool, z.astype(cool.dtype), amplitude, time)",
        "_flows.diffusion(cool, z.astype(cool.dtype), amplitude, time / 2)",
        AUTHORS,
    ),
    Mutant(
        "ACDEDCAB: E sees the end of the diffusion",
        STEPS,
        "return hot, (cool + hot) / 2, p",
        "return hot, hot, p",
        AUTHORS,
    ),
    Mutant(
        "ACDEDCAB: E misses the spread halfway",
        STEPS,
        "bath.energy(midpoint) + bath.degrees * sigma**2 * h / 4",
        "bath.energy(midpoint)",
        AUTHORS,
    ),
    Mutant(
        "ACDEDCAB: first C missing",
        STEPS,
        "cool = _flows.friction(cool, xi, time / 2)",
        "cool = _flows.friction(cool, 0 * xi, time / 2)",
        AUTHORS,
    ),
    Mutant(
        "ACDEDCAB: second C missing",
        STEPS,
        "jax.tree.map(last_friction, hot, bath.rates(friction))",
        "hot",
        AUTHORS,
    ),
    Mutant(
        "ACDEDCAB and BADODAB: one drift instead of two halves",
        STEPS,
        "_flows.drift(moved, after, half, mass)",
        "_flows.drift(0 * before, after, 2 * half, mass)",
        AUTHORS,
    ),
    Mutant(
        "BADODAB: second thermostat step missing",
        STEPS,
        "friction = bath.regulate(friction, second, h / 2)",
        "friction = bath.regulate(friction, second, 0 * h)",
        TEXTBOOK,
    ),
    Mutant(
        "BADODAB: noise of the bath without its friction's share",
        STEPS,
        "after = _flows.adaptive_bath(before, z.astype(before.dtype), xi, amplitude, time)",
        "cool = _flows.friction(before, xi, time)\n"
        "        after = _flows.diffusion(cool, z.astype(before.dtype), amplitude, time)",
        TEXTBOOK,
    ),
    Mutant(
        "SGNHT: half the friction",
        STEPS,
        "_flows.friction(p.astype(dtype), xi, first)",
        "_flows.friction(p.astype(dtype), xi, first / 2)",
        FIRST_ORDER,
    ),
    Mutant(
        "covariance control: difference of two noises taken for one",
        COVARIANCE,
        "a * noise - (1 - a) * change * last_change",
        "a * noise + (1 - a) * jnp.square(change)",
        CONTROL,
    ),
    Mutant(
        "covariance control: the product of two changes with the wrong sign",
        COVARIANCE,
        "a * noise - (1 - a) * change * last_change",
        "a * noise + (1 - a) * change * last_change",
        CONTROL,
    ),
    Mutant(
        "covariance control: friction without h",
        COVARIANCE,
        "jnp.where(known, 2 * target, 1)",
        "jnp.where(known, 2 * target * at(step_size, count), 1)",
        CONTROL,
    ),
    Mutant(
        "covariance control: friction twice too small",
        COVARIANCE,
        "jnp.where(known, 2 * target, 1)",
        "jnp.where(known, 4 * target, 1)",
        CONTROL,
    ),
    Mutant(
        "psgld: Gamma left out",
        METRIC,
        "s * (root * z + ratio * drift)",
        "s * root * z",
        (f"{METRICS}::test_metric_of_the_present_gradient",),
    ),
    Mutant(
        "psgld: half of Gamma",
        METRIC,
        "s * (root * z + ratio * drift)",
        "s * (root * z + ratio * drift / 2)",
        (f"{METRICS}::test_metric_of_the_present_gradient",),
    ),
    Mutant(
        "psgld: noise with the metric, not its root",
        METRIC,
        "s * (root * z + ratio * drift)",
        "s * (metric * z + ratio * drift)",
        (f"{METRICS}::test_frozen_metric_has_the_law_of_sgld_in_it",),
    ),
    Mutant(
        "psgld: metric in the noise only",
        METRIC,
        "return -h * metric * g",
        "return -h * g",
        (f"{METRICS}::test_frozen_metric_has_the_law_of_sgld_in_it",),
    ),
    Mutant(
        "psgld: the metric is never frozen",
        METRIC,
        "jnp.where(adapting, a * old + (1 - a) * jnp.square(g), old)",
        "a * old + (1 - a) * jnp.square(g)",
        (f"{METRICS}::test_frozen_metric_has_the_law_of_sgld_in_it",),
    ),
    Mutant(
        "psgld: second moment without bias correction",
        METRIC,
        "return 1 / jnp.where(start_share < 1, 1 - start_share, 1)",
        "return jnp.ones_like(start_share)",
        (f"{METRICS}::test_correction_vanishes_with_the_heat",),
    ),
    Mutant(
        "thermostat: a negative friction heats without end at temperature 0",
        THERMOSTAT,
        "friction = jnp.where(hot, friction, jnp.abs(friction))",
        "pass",
        ("physics/test_cold.py::test_a_friction_that_heats_damps_without_heat[BADODAB]",),
    ),
    Mutant(
        "thermostat: an energy beyond all numbers times no coupling",
        THERMOSTAT,
        "return jnp.where(hot & (eps * time > 0), regulated, friction)",
        "return jnp.where(hot & ~step.resting, regulated, friction)",
        (f"{SPIKES}::test_an_energy_beyond_all_numbers_without_coupling",),
    ),
    Mutant(
        "covariance control: a friction without bound times no time",
        COVARIANCE,
        "jnp.minimum(like(per_noise, noise.dtype) * jnp.maximum(noise, 0), _MOST)",
        "like(per_noise, noise.dtype) * jnp.maximum(noise, 0)",
        (f"{SPIKES}::test_a_rest_after_a_spike_with_covariance_control",),
    ),
    Mutant(
        "momenta: infinite in a dtype that cannot hold them",
        "_base/_momenta.py",
        "if most < float(jnp.finfo(array.dtype).max):",
        "if False:",
        (f"{SPIKES}::test_a_momentum_that_its_dtype_cannot_hold",),
    ),
]
