"""Defects of Santa and of the cooling laws."""

from tests.mutants.mutant import Mutant

SANTA = "integrators/_santa.py"
COOLING = "temperature/_cooling.py"

PHYSICS = "physics/test_santa.py"
LAWS = (f"{PHYSICS}::test_fixed_friction",)
THERMOSTATS = (f"{PHYSICS}::TestThermostats",)
STEPS = "physics/test_santa_steps.py"
STEP = (f"{STEPS}::test_one_noisy_step",)
DESCENT = (f"{STEPS}::test_descent",)
TEMPERATURE = "temperature/test_cooling.py"

MUTANTS = [
    Mutant(
        "santa: friction falls while hot",
        SANTA,
        "jnp.square(p) - heat, eps, time)",
        "heat - jnp.square(p), eps, time)",
        STEP,
    ),
    Mutant(
        "santa: thermostat sees the momentum before its last kick",
        SANTA,
        "jnp.square(p) - heat, eps, time)",
        "jnp.square(p + metric * g * time / 2) - heat, eps, time)",
        THERMOSTATS,
    ),
    Mutant(
        "santa: thermostat for half the step",
        SANTA,
        "jnp.square(p) - heat, eps, time)",
        "jnp.square(p) - heat, eps, time / 2)",
        STEP,
    ),
    Mutant(
        "santa: noise with the heat, not its root",
        SANTA,
        "root(2 * step.rate(friction) * target)",
        "2 * step.rate(friction) * target",
        LAWS,
    ),
    Mutant(
        "santa: noise scaled by the metric",
        SANTA,
        "_flows.diffusion(p, z, sigma, time)",
        "_flows.diffusion(p, z, metric * sigma, time)",
        LAWS,
    ),
    Mutant(
        "santa: metric once instead of twice",
        SANTA,
        "_flows.drift(jnp.zeros_like(p), metric * p, time)",
        "_flows.drift(jnp.zeros_like(p), p, time)",
        LAWS,
    ),
    Mutant(
        "santa: RMSprop's metric, not its root",
        SANTA,
        "metric = jax.lax.rsqrt(lam + jnp.sqrt(new * c))",
        "metric = 1 / (lam + jnp.sqrt(new * c))",
        LAWS,
    ),
    Mutant(
        "santa: the second half kick left out",
        SANTA,
        "            p = _flows.kick(p, metric * g, time / 2)  # B\n            regulated",
        "            regulated",
        LAWS,
    ),
    Mutant(
        "santa: the first half kick between the halves of the friction, as in MATLAB",
        SANTA,
        "p = _flows.kick(p, metric * g, time / 2)  # B\n            rate",
        "p = _flows.kick(p, metric * g, time / 2 * jnp.exp(xi * time / 2))\n            rate",
        LAWS,
    ),
    Mutant(
        "santa: refinement keeps its noise",
        SANTA,
        "target = jnp.where(count < as_steps(exploration_steps), target, 0)",
        "pass",
        DESCENT,
    ),
    Mutant(
        "santa: refinement keeps its thermostats",
        SANTA,
        "jnp.where(hot & (eps * time > 0), regulated, xi), new",
        "regulated, new",
        DESCENT,
    ),
    Mutant(
        "santa: the metric is never frozen",
        SANTA,
        "new = jnp.where(adapting, a * old + (1 - a) * jnp.square(g), old)",
        "new = a * old + (1 - a) * jnp.square(g)",
        DESCENT,
    ),
    Mutant(
        "santa: the metric stays frozen in refinement",
        SANTA,
        "adapting |= count >= as_steps(exploration_steps)",
        "adapting |= False",
        DESCENT,
    ),
    Mutant(
        "santa: bias correction counts the frozen steps",
        SANTA,
        "share = jnp.where(adapting, alpha * state.start_share, state.start_share)",
        "share = alpha * state.start_share",
        DESCENT,
    ),
    Mutant(
        "santa: a square that overflows goes into the state",
        "_base/_momenta.py",
        "largest = math.sqrt(jnp.finfo(wide.dtype).max) / 4",
        "largest = float(jnp.finfo(wide.dtype).max) / 4",
        (f"{STEPS}::test_square_that_overflows_is_a_fault",),
    ),
    Mutant(
        "cooling: logarithm to the wrong base",
        COOLING,
        "at(initial, count) * jnp.log(start) / jnp.log(start",
        "at(initial, count) / jnp.log(start",
        (f"{TEMPERATURE}::TestLaws",),
    ),
    Mutant(
        "cooling: power of the step count alone",
        COOLING,
        "time = at(offset, count) + _number(count)",
        "time = 1 + _number(count)",
        (f"{TEMPERATURE}::TestLaws",),
    ),
    Mutant(
        "cooling: noise in the part that explores",
        COOLING,
        "return step >= jnp.minimum(",
        "return step < jnp.minimum(",
        (f"{TEMPERATURE}::test_cycles_repeat",),
    ),
    Mutant(
        "cooling: exploration not in whole steps",
        COOLING,
        "jnp.round(at(exploration_fraction, count) * _number(period))",
        "jnp.ceil(at(exploration_fraction, count) * _number(period))",
        (f"{TEMPERATURE}::test_exploration_is_whole_steps",),
    ),
    Mutant(
        "cooling: cycles of the whole run",
        COOLING,
        "jnp.asarray(count, jnp.int32) % period, period",
        "jnp.asarray(count, jnp.int32), period",
        (f"{TEMPERATURE}::test_cycles_repeat",),
    ),
    Mutant(
        "santa: one spike stops a coordinate for good",
        SANTA,
        "regulated = jnp.minimum(regulated, jnp.maximum(xi, _MOST / kick_time))",
        "pass",
        ("physics/test_spikes.py::test_a_spike_does_not_stop_santa",),
    ),
    Mutant(
        "santa: a negative friction heats without end in refinement",
        SANTA,
        "rate = jnp.where(hot, xi, jnp.abs(xi))",
        "rate = xi",
        ("physics/test_cold.py::test_a_friction_that_heats_damps_without_heat[santa]",),
    ),
    Mutant(
        "santa: the state tells of heat that refinement does not have",
        SANTA,
        "bath = target.astype(jnp.float32)",
        "bath = step.temperature.astype(jnp.float32)",
        (f"{STEPS}::test_the_bath_of_refinement_is_cold",),
    ),
]
