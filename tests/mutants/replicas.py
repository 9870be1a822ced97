"""Defects of replicas and of their exchange."""

from tests.mutants.mutant import Mutant

SWAPS = "replicas/_swaps.py"
RECORDS = "replicas/_records.py"
EXCHANGE = "replicas/_exchange.py"
LADDERS = "replicas/_ladders.py"
READERS = "replicas/_readers.py"
INVERSE = "replicas/_inverse.py"
REPLICATE = "replicas/_replicate.py"

UNITS = "replicas/test_swaps.py"
USES = "replicas/test_exchange.py"
INVARIANCE = (f"{UNITS}::test_metropolis_rule_leaves_the_product_law_invariant",)
TRIPS = (f"{UNITS}::test_round_trips_where_all_swaps_are_accepted",)
MOMENTA = (f"{USES}::test_momenta_are_rescaled_with_the_temperature_and_drawn_at_it",)
BETAS = (f"{USES}::test_betas_are_those_of_the_authors",)
INDEPENDENCE = ("replicas/test_replicate.py::test_replicas_share_no_noise_and_no_first_momenta",)
RUNGS = (f"{USES}::test_states_by_rung",)

MUTANTS = [
    Mutant(
        "exchange: the sign of the rule as printed",
        SWAPS,
        "return step * (energies[:-1] - energies[1:])",
        "return step * (energies[1:] - energies[:-1])",
        INVARIANCE,
    ),
    Mutant(
        "exchange: noisy energies corrected the wrong way",
        SWAPS,
        "- step**2 * noise / 2",
        "+ step**2 * noise / 2",
        (f"{UNITS}::test_noise_is_corrected_for_on_average",),
    ),
    Mutant(
        "exchange: the odd pairs never try",
        SWAPS,
        "return pairs % 2 == rounds % 2",
        "return pairs % 2 == 0",
        TRIPS,
    ),
    Mutant(
        "exchange: a ratio that is not a number is accepted",
        SWAPS,
        "jnp.where(jnp.isnan(log_ratio), 0, ",
        "jnp.where(jnp.isnan(log_ratio), 1, ",
        (f"{UNITS}::test_acceptance_has_the_probability_that_is_recorded",),
    ),
    Mutant(
        "exchange: a permutation taken for its inverse",
        SWAPS,
        "return jnp.zeros_like(rung).at[rung].set(replicas)",
        "return rung + 0 * replicas",
        (f"{UNITS}::test_a_rung_and_a_replica_are_not_the_same",),
    ),
    Mutant(
        "exchange: every visit of the first rung counts as a round trip",
        SWAPS,
        "(record.last_end == HOT)",
        "(record.last_end >= 0)",
        TRIPS,
    ),
    Mutant(
        "exchange: half a trip counts as a whole one",
        RECORDS,
        " & (last_end == COLD)",
        "",
        TRIPS,
    ),
    Mutant(
        "exchange: momenta keep the temperature of the old rung",
        EXCHANGE,
        "jnp.sqrt(after[label] / before[label])",
        "jnp.ones_like(after[label])",
        MOMENTA,
    ),
    Mutant(
        "exchange: momenta rescaled by the temperatures, not by their roots",
        EXCHANGE,
        "jnp.sqrt(after[label] / before[label])",
        "after[label] / before[label]",
        MOMENTA,
    ),
    Mutant(
        "exchange: all first momenta at the temperature of the sampler",
        LADDERS,
        "factors[label] = jnp.sqrt(values[name] / ",
        "factors[label] = jnp.sqrt(values[name] / values[name] + 0 / ",
        MOMENTA,
    ),
    Mutant(
        "exchange: the first swap at once",
        EXCHANGE,
        "due = (elapsed > 0)",
        "due = (elapsed >= 0)",
        (f"{USES}::test_swaps_come_after_the_warm_up_and_every_period",),
    ),
    Mutant(
        "exchange: losses taken by replica, not by rung",
        EXCHANGE,
        "energies.latest[order]",
        "energies.latest",
        ("replicas/test_laws.py::test_swaps_are_as_frequent_as_they_must_be",),
    ),
    Mutant(
        "exchange: the heat of a rung in other units than the sampler's",
        LADDERS,
        "return temperature_scale * heat / exchange.reference_temperature",
        "return temperature_scale * heat * exchange.reference_temperature",
        (f"{USES}::test_heat_is_relative_to_the_reference",),
    ),
    Mutant(
        "exchange: more dropout is colder",
        INVERSE,
        "_DROPOUT = Inverse(lambda rate: (1 - rate) / rate,",
        "_DROPOUT = Inverse(lambda rate: rate / (1 - rate),",
        BETAS,
    ),
    Mutant(
        "exchange: other names count beside a temperature",
        LADDERS,
        "float(name == TEMPERATURE or not only)",
        "1.0",
        (f"{USES}::test_another_beta_and_one_weight_for_each",),
    ),
    Mutant(
        "exchange: the order of rungs read as that of replicas",
        READERS,
        "order = replica_at(exchange_state(state).rung)",
        "order = exchange_state(state).rung",
        (f"{USES}::test_states_by_rung",),
    ),
    Mutant(
        "exchange: the best replica is the worst",
        READERS,
        "best = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))",
        "best = jnp.argmax(jnp.where(jnp.isfinite(losses), losses, -jnp.inf))",
        (f"{USES}::test_the_best_replica_is_the_best",),
    ),
    Mutant(
        "exchange: the luckiest loss is forgotten",
        RECORDS,
        "better = finite & (energies < record.lowest)",
        "better = finite",
        (f"{USES}::test_the_best_replica_is_the_best",),
    ),
    Mutant(
        "replicas: one key for all",
        "_base/_keys.py",
        "words = replica_key(words, replica)",
        "words = words + 0 * replica",
        INDEPENDENCE,
    ),
    Mutant(
        "replicas: keys of optax's noise are not folded",
        REPLICATE,
        "return jax.random.fold_in(leaf, index)",
        "return leaf",
        ("replicas/test_replicate.py::test_noise_of_optax_gets_keys_too",),
    ),
]
