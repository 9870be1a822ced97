"""Defects of the samplers whose step is linear, of their flows and of their words."""

from tests.mutants.mutant import Mutant

OVERDAMPED = "integrators/_overdamped.py"
UNDERDAMPED = "integrators/_underdamped.py"
SGHMC = "integrators/_underdamped.py"
AFFINE = "integrators/_affine.py"
SAMPLER = "integrators/_sampler.py"
FLOWS = "integrators/_flows.py"
WORDS = "integrators/_words.py"

LAWS = "physics/test_stationary_laws.py"
SCHEDULES = "physics/test_schedules.py"
EXACT_FLOWS = "physics/test_flows.py"
COLD = "physics/test_cold.py"
INDEPENDENCE = "physics/test_independence.py"

SGLD_NOISE = "root(2 * eta * step.temperature)"
SGHMC_NOISE = "root(jnp.maximum(needed - brought, 0))"
OVERDAMPED_LAW = (f"{LAWS}::test_overdamped",)
SGHMC_LAW = (f"{LAWS}::test_sghmc",)
BAOAB_LAW = (f"{LAWS}::test_langevin[BAOAB]",)

MUTANTS = [
    Mutant(
        "sgld: T for sqrt(T) in the noise",
        OVERDAMPED,
        SGLD_NOISE,
        "jnp.sqrt(2 * eta) * step.temperature",
        OVERDAMPED_LAW,
    ),
    Mutant(
        "sgld: factor sqrt(2) missing",
        OVERDAMPED,
        SGLD_NOISE,
        "jnp.sqrt(eta * step.temperature)",
        OVERDAMPED_LAW,
    ),
    Mutant(
        "sgld: learning rate for its square root in the noise",
        OVERDAMPED,
        SGLD_NOISE,
        "eta * jnp.sqrt(2 * step.temperature)",
        OVERDAMPED_LAW,
    ),
    Mutant(
        "sgld: noise added before the learning rate",
        OVERDAMPED,
        SGLD_NOISE,
        "eta * jnp.sqrt(2 * eta * step.temperature)",
        OVERDAMPED_LAW,
    ),
    Mutant(
        "sgld: up the gradient",
        OVERDAMPED,
        "return spread * z - eta * g",
        "return spread * z + eta * g",
        (f"{COLD}::test_cold_sampler_is_sgd[sgld]",),
    ),
    Mutant(
        "sgld: the count does not advance, so each step has the same noise",
        SAMPLER,
        "count=next_count(count),",
        'count=count if name == "sgld" else next_count(count),',
        (f"{INDEPENDENCE}::test_leaves_and_steps[threefry]",),
    ),
    Mutant(
        "leimkuhler_matthews: h^2 = lr instead of 2 lr",
        UNDERDAMPED,
        "h = root(2 * rate_at(learning_rate, count))",
        "h = root(rate_at(learning_rate, count))",
        (f"{COLD}::test_cold_sampler_is_sgd[leimkuhler_matthews]",),
    ),
    Mutant(
        "langevin: B O A instead of BAOAB",
        UNDERDAMPED,
        'splitting: str = "BAOAB"',
        'splitting: str = "BOA"',
        (f"{SCHEDULES}::test_temperature_follows_its_schedule",),
    ),
    Mutant(
        "langevin: mass forgotten in the bath",
        UNDERDAMPED,
        "Settings(h, gamma, m * heat, m)",
        "Settings(h, gamma, heat, m)",
        BAOAB_LAW,
    ),
    Mutant(
        "langevin: mass forgotten in the drift",
        FLOWS,
        "position + (time / mass) * momentum",
        "position + time * momentum",
        BAOAB_LAW,
    ),
    Mutant(
        "langevin: mass forgotten in the first momenta",
        AFFINE,
        "start.momenta(params, options.initial_momentum, momentum_dtype, masses)",
        "start.momenta(params, options.initial_momentum, momentum_dtype)",
        (f"{SCHEDULES}::test_initial_momenta_are_those_of_the_bath[3.0]",),
    ),
    Mutant(
        "first momenta of variance 1, whatever the temperature",
        "_base/_momenta.py",
        "noise = jnp.sqrt(like(variance, noise.dtype)) * noise",
        "noise = 1 * noise",
        (f"{SCHEDULES}::test_initial_momenta_are_those_of_the_bath[1.0]",),
    ),
    Mutant(
        "position never moves",
        AFFINE,
        "return moved, new",
        "return 0 * moved, new",
        BAOAB_LAW,
    ),
    Mutant(
        "one draw for two baths",
        AFFINE,
        "(2 * count, 2 * count + 1)",
        "(2 * count, 2 * count)",
        (f"{LAWS}::test_langevin[AOBOA]",),
    ),
    Mutant(
        "a step's second draw is the next step's first",
        AFFINE,
        "(2 * count, 2 * count + 1)",
        "(count, count + 1)",
        (f"{LAWS}::test_langevin[AOBOA]",),
    ),
    Mutant(
        "langevin: the count does not advance",
        SAMPLER,
        "count=next_count(count),",
        'count=count if name.startswith("langevin") else next_count(count),',
        BAOAB_LAW,
    ),
    Mutant(
        "sghmc: 1 - mu for its square root in the noise",
        SGHMC,
        SGHMC_NOISE,
        "jnp.sqrt(2 * heat) * (1 - mu)",
        SGHMC_LAW,
    ),
    Mutant(
        "sghmc: noise without temperature",
        SGHMC,
        "2 * (1 - mu) * heat * m",
        "2 * (1 - mu) * m",
        SGHMC_LAW,
    ),
    Mutant(
        "sghmc: gradient noise subtracted at the wrong power of h",
        SGHMC,
        "lr * at(gradient_noise, count)",
        "h * at(gradient_noise, count)",
        (f"{LAWS}::test_sghmc_subtracts_the_heat_of_a_noisy_gradient",),
    ),
    Mutant(
        "sghmc: momentum kept as an update, which a new step size reheats",
        SGHMC,
        "AffineStep(mu, h, spread, from_new=h / m,",
        "AffineStep(mu, lr, h * spread, from_new=1 / m,",
        (f"{SCHEDULES}::test_changing_learning_rate_does_not_reheat_sghmc",),
    ),
    Mutant(
        "bath: exp(-gamma h) for exp(-2 gamma h)",
        FLOWS,
        "return -jnp.expm1(-2 * rate * time)",
        "return -jnp.expm1(-rate * time)",
        BAOAB_LAW,
    ),
    Mutant(
        "bath: variance for its square root",
        FLOWS,
        "root(variance * heating(rate, time)) * noise",
        "variance * heating(rate, time) * noise",
        BAOAB_LAW,
    ),
    Mutant(
        "bath: without expm1",
        FLOWS,
        "return -jnp.expm1(-2 * rate * time)",
        "return 1 - jnp.exp(-2 * rate * time)",
        (f"{EXACT_FLOWS}::test_bath_solves_ornstein_uhlenbeck",),
    ),
    Mutant(
        "U: the position has no noise of its own",
        FLOWS,
        "spread * z + own * y",
        "spread * z",
        (f"{EXACT_FLOWS}::test_drift_in_bath",),
    ),
    Mutant(
        "U: the noise of the momentum is the position's own",
        FLOWS,
        "spread * z + own * y",
        "spread * y + own * z",
        (f"{EXACT_FLOWS}::test_drift_in_bath",),
    ),
    Mutant(
        "kick: towards the higher loss",
        FLOWS,
        "momentum - time * gradient",
        "momentum + time * gradient",
        (f"{COLD}::test_cold_sampler_is_sgd[BAOAB]",),
    ),
    Mutant(
        "words: every flow for the whole step",
        WORDS,
        "Leg(letter, 1 / word.count(letter))",
        "Leg(letter, 1)",
        BAOAB_LAW,
    ),
    Mutant(
        "words: half a flow lost where a step meets the next",
        WORDS,
        "Leg(letter, legs.pop().share + leg.share)",
        "Leg(letter, legs.pop().share)",
        BAOAB_LAW,
    ),
    Mutant(
        "words: correlation of the two noises lost",
        WORDS,
        "own_noise=heat * _norm(x_noise - from_new * p_noise)",
        "own_noise=heat * _norm(x_noise)",
        (f"{LAWS}::test_langevin[AOBOA]",),
    ),
]
