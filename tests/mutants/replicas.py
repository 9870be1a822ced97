"""Defects of replicas and of their exchange."""

from tests.mutants.mutant import Mutant

SWAPS = "replicas/_swaps.py"
RECORDS = "replicas/_records.py"
EXCHANGE = "replicas/_exchange.py"
LADDERS = "replicas/_rungs.py"
READERS = "replicas/_readers.py"
FACTORS = "replicas/_momenta.py"
INVERSE = "replicas/_settings.py"
REPLICATE = "replicas/_replicate.py"
CHAINS = "replicas/_chains.py"

UNITS = "replicas/test_swaps.py"
USES = "replicas/test_exchange.py"
INVARIANCE = (f"{UNITS}::test_metropolis_rule_leaves_the_product_law_invariant",)
TRIPS = (f"{UNITS}::test_round_trips_where_all_swaps_are_accepted",)
MOMENTA = (f"{USES}::test_momenta_are_rescaled_with_the_temperature_and_drawn_at_it",)
BETAS = (f"{USES}::test_betas_are_those_of_the_authors",)
INDEPENDENCE = ("replicas/test_replicate.py::test_replicas_share_no_noise_and_no_first_momenta",)
REPLICAS = "replicas/test_replicate.py"
ENERGIES = "replicas/test_energies.py"
INPUT = "replicas/test_input.py"
UNIT = "replicas/test_any_unit.py"
VARIANCE = (
    "replicas/test_momenta.py::test_they_are_drawn_and_rescaled_with_the_variance_of_their_rung",
)
RESUMED = ("replicas/test_resumed.py::test_another_ladder_wins_and_momenta_follow",)
REST = ("replicas/test_rest.py::test_a_round_of_swaps_is_a_rest",)
RUNGS = (f"{USES}::test_states_by_rung",)

MUTANTS = [
    Mutant(
        "swaps: late probabilities are rounded away",
        SWAPS,
        "probability=added(record.probability, chances, record.rounds)",
        "probability=record.probability + chances",
        ("replicas/test_swaps.py::test_probabilities_count_after_millions_of_rounds",),
    ),
    Mutant(
        "exchange: the sign of the rule as printed",
        SWAPS,
        "log_ratio = step * (energies[:-1] - energies[1:])",
        "log_ratio = step * (energies[1:] - energies[:-1])",
        INVARIANCE,
    ),
    Mutant(
        "exchange: noisy energies corrected the wrong way",
        SWAPS,
        "(energies[:-1] - energies[1:]) - correction",
        "(energies[:-1] - energies[1:]) + correction",
        (f"{UNITS}::test_noise_is_corrected_for_on_average",),
    ),
    Mutant(
        "exchange: a small unit of the loss has no swaps",
        SWAPS,
        "(step / size) ** 2 * (size * noise * size) / 2",
        "step**2 * noise / 2",
        (f"{UNIT}::test_swaps_and_thermodynamics_know_no_unit",),
    ),
    Mutant(
        "exchange: the noise never forgets a spike",
        RECORDS,
        "sound = is_sound(step)",
        "sound = jnp.isfinite(step)",
        (f"{UNIT}::test_noise_forgets_a_spike",),
    ),
    Mutant(
        "exchange: noise without a variance is corrected for",
        RECORDS,
        "not 1e-15 < largest < 1e15",
        "not 0 < largest",
        (f"{UNIT}::test_noise_whose_variance_is_no_number",),
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
        "to_be_rescaled(placed, factors, due | changed)",
        "to_be_rescaled(placed, factors, changed)",
        MOMENTA,
    ),
    Mutant(
        "exchange: replicas move in a round of swaps, with the gradients of the old rungs",
        EXCHANGE,
        "inner_state = to_rest(inner_state, due)",
        "inner_state = to_rest(inner_state, due & False)",
        REST,
    ),
    Mutant(
        "exchange: replicas rest only if they change their rung",
        EXCHANGE,
        "inner_state = to_rest(inner_state, due)",
        "inner_state = to_rest(inner_state, before.rung != after.rung)",
        REST,
    ),
    Mutant(
        "exchange: the half kick of the old rung with the step of the new one",
        EXCHANGE,
        "here = before if resting else after",
        "here = after",
        REST,
    ),
    Mutant(
        "exchange: a swap in every update, so that no replica moves",
        EXCHANGE,
        "period = jnp.maximum(period, 2)",
        "period = jnp.maximum(period, 1)",
        REST,
    ),
    Mutant(
        "exchange: momenta rescaled by the temperatures, not by their roots",
        FACTORS,
        "return jnp.sqrt(ratio)",
        "return ratio",
        MOMENTA,
    ),
    Mutant(
        "exchange: all first momenta at the temperature of the sampler",
        EXCHANGE,
        "inner_state=rescaled(placed, factors),",
        "inner_state=placed,",
        MOMENTA,
    ),
    Mutant(
        "exchange: momenta know no masses",
        LADDERS,
        "named = {TEMPERATURE: EVERYWHERE, MASS: EVERYWHERE}",
        "named = {TEMPERATURE: EVERYWHERE}",
        VARIANCE,
    ),
    Mutant(
        "exchange: hyperparameters of one group scale the momenta of all",
        FACTORS,
        "above = [place for place in places if path[: len(place)] == place]",
        "above = list(places)",
        VARIANCE,
    ),
    Mutant(
        "exchange: a temperature of the model heats",
        LADDERS,
        "heat = new / old if self.by_bath(before) else 1.0",
        "heat = new / old",
        VARIANCE,
    ),
    Mutant(
        "exchange: parameters with a field `momentum` are momenta",
        "_base/_momenta.py",
        "return [p for _, node in samplers(state) for p in jax.tree.leaves(node.momentum)]",
        "return [p for path, p in jax.tree_util.tree_leaves_with_path(state)\n"
        '            if jax.tree_util.GetAttrKey("momentum") in path]',
        ("replicas/test_momenta.py::test_parameters_called_momentum_are_no_momenta",),
    ),
    Mutant(
        "exchange: the ladder of the state wins over another in the settings",
        LADDERS,
        "other = jnp.any(jnp.stack(others))",
        "other = jnp.any(jnp.stack(others)) & False",
        RESUMED,
    ),
    Mutant(
        "exchange: momenta do not follow another ladder",
        EXCHANGE,
        "to_be_rescaled(placed, factors, due | changed)",
        "to_be_rescaled(placed, factors, due)",
        RESUMED,
    ),
    Mutant(
        "exchange: the reference of the state wins over another in the settings",
        LADDERS,
        "return values, other | differs(exchange.reference_temperature, reference)",
        "return values, other",
        ("replicas/test_resumed.py::test_another_reference_wins_and_momenta_follow",),
    ),
    Mutant(
        "exchange: a ladder that has adapted begins anew in every update",
        LADDERS,
        "differs(exchange.given_ladder[name], value)",
        "differs(exchange.ladder[name], value)",
        ("replicas/test_resumed.py::test_a_ladder_that_has_adapted_stays_while_its_settings_do",),
    ),
    Mutant(
        "exchange: a ladder that another program rounds begins anew",
        "replicas/_energies_by_rung.py",
        "return jnp.any(jnp.abs(new - old) > _SAME * jnp.abs(old))",
        "return jnp.any(new != old)",
        ("replicas/test_resumed.py::test_a_ladder_that_has_adapted_stays_while_its_settings_do",),
    ),
    Mutant(
        "exchange: adaptation ends before it begins, without a word",
        "replicas/_settings.py",
        "if steps <= first:",
        "if False:",
        ("replicas/test_input.py::test_at_construction",),
    ),
    Mutant(
        "exchange: rungs that are for one group heat all",
        LADDERS,
        "if by_bath and TEMPERATURE in self._heated:",
        "if False:",
        ("replicas/test_input.py::test_the_temperature_of_one_group_must_be_its_own",),
    ),
    Mutant(
        "exchange: losses rounded before they are subtracted",
        RECORDS,
        "excess = _excess(losses, numbers)",
        "excess = _excess(losses.astype(numbers.float32), numbers)",
        (f"{ENERGIES}::test_a_constant_in_the_loss_changes_nothing",),
    ),
    Mutant(
        "exchange: the lowest loss without the digits that float32 cuts off",
        RECORDS,
        "rest = numbers.where(finite, losses - numbers.where(finite, rounded, 0), 0)",
        "rest = numbers.zeros_like(losses)",
        (f"{ENERGIES}::test_a_constant_in_the_loss_changes_nothing",),
    ),
    Mutant(
        "exchange: an infinite loss is swapped",
        SWAPS,
        "return jnp.where(finite, log_ratio, jnp.nan)",
        "return log_ratio",
        (f"{ENERGIES}::test_a_loss_that_is_not_finite_is_not_swapped",),
    ),
    Mutant(
        "exchange: a replica that is not finite is the best",
        READERS,
        " & jnp.isfinite(energies.latest) & _are_finite(params)",
        "",
        (f"{ENERGIES}::test_the_best_replica_is_one_that_is_alive",),
    ),
    Mutant(
        "replicas: functions and batches are split by their shapes",
        REPLICATE,
        "for name, arg in extra_args.items() if name in own}",
        "for name, arg in extra_args.items() if name in own\n"
        "            or all(x.shape[:1] == (num_replicas,) for x in jax.tree.leaves(arg))}",
        (f"{REPLICAS}::test_what_has_as_many_rows_as_there_are_replicas_is_not_split",),
    ),
    Mutant(
        "replicas: hyperparameters along the last axis",
        "replicas/_hyperparams.py",
        "jnp.broadcast_to(leading(value, leaf.ndim), leaf.shape)",
        "jnp.broadcast_to(value, leaf.shape)",
        (f"{REPLICAS}::test_hyperparameters_go_along_the_axis_of_their_own_replicas",),
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
        "energies.excess[order]",
        "energies.excess",
        ("replicas/test_laws.py::test_swaps_are_as_frequent_as_they_must_be",),
    ),
    Mutant(
        "exchange: the heat of a rung in other units than the sampler's",
        LADDERS,
        "return scale * values[TEMPERATURE][rung] / reference",
        "return scale * values[TEMPERATURE][rung] * reference",
        (f"{USES}::test_heat_is_relative_to_the_reference",),
    ),
    Mutant(
        "exchange: more dropout is colder",
        INVERSE,
        "_DROPOUT = Inverse(lambda rate: (1 - rate) / rate,",
        "_DROPOUT = Inverse(lambda rate: rate / (1 - rate),",
        ("replicas/test_input.py::test_at_construction",),
    ),
    Mutant(
        "exchange: the beta of dropout is not over its rate",
        INVERSE,
        "_DROPOUT = Inverse(lambda rate: (1 - rate) / rate,",
        "_DROPOUT = Inverse(lambda rate: 1 - rate,",
        BETAS,
    ),
    Mutant(
        "exchange: other names count beside a temperature",
        "replicas/_settings.py",
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
        "losses = jnp.where(sound, losses, jnp.inf)",
        "losses = jnp.where(sound, -losses, jnp.inf)",
        (f"{USES}::test_the_best_replica_is_the_best",),
    ),
    Mutant(
        "exchange: the luckiest loss is forgotten",
        RECORDS,
        "better = finite & lower",
        "better = finite",
        (f"{USES}::test_the_best_replica_is_the_best",),
    ),
    Mutant(
        "replicas: one key for all",
        "_noise/_keys.py",
        "return fold(fold(words, _REPLICAS), index)",
        "return fold(words, _REPLICAS)",
        INDEPENDENCE,
    ),
    Mutant(
        "replicas: the same first momenta for all",
        "_noise/_keys.py",
        "words = replica_key(words, number)",
        "words = replica_key(words, 0 * number)",
        INDEPENDENCE,
    ),
    Mutant(
        "replicas: those within replicas share their first momenta",
        "_noise/_keys.py",
        "for number in _replica_numbers():",
        "for number in _replica_numbers()[-1:]:",
        (f"{REPLICAS}::test_first_momenta_differ_at_every_depth",),
    ),
    Mutant(
        "replicas: keys of optax's noise are not folded",
        REPLICATE,
        "return _over(jax.random.fold_in, leaf.ndim)(leaf, index)",
        "return leaf",
        ("replicas/test_replicate.py::test_noise_of_optax_gets_keys_too",),
    ),
    Mutant(
        "chains: a run that goes on takes the first batches again",
        CHAINS,
        "def step(done, carry):\n        chains, means, times = carry\n",
        "def step(done, carry):\n        chains, means, times = carry\n"
        "        chains = chains._replace(count=jnp.asarray(done, jnp.int32))\n",
        ("replicas/test_chains.py::test_a_run_in_parts_has_the_bits_of_one",),
    ),
    Mutant(
        "chains: all have the batches of the first",
        CHAINS,
        "batches(chains.count, chain),)",
        "batches(chains.count, chain * 0),)",
        ("replicas/test_chains.py::test_batches_differ_between_chains_if_they_ask_for_it",),
    ),
    Mutant(
        "exchange: the friction of a thermostat goes along with the replica",
        EXCHANGE,
        "placed = with_frictions_of(placed, order[rungs.rung])",
        "placed = with_frictions_of(placed, jnp.arange(size))",
        ("replicas/test_frictions.py::test_a_friction_stays_on_its_rung",),
    ),
    Mutant(
        "replicas: first momenta at the temperature that all have in common",
        REPLICATE,
        "if changed else placed",
        "if False else placed",
        (f"{REPLICAS}::test_first_momenta_have_the_heat_of_their_own_replica",),
    ),
    Mutant(
        "replicas: momenta without heat become NaN",
        "replicas/_momenta.py",
        "return jnp.where(old > 0, new / jnp.where(old > 0, old, 1), 1)",
        "return new / jnp.where(old > 0, old, new)",
        (f"{REPLICAS}::test_first_momenta_of_cold_replicas_are_at_rest",),
    ),
    Mutant(
        "exchange: an integer in the state cuts the values of a ladder",
        LADDERS,
        "check_kept(ours, state, exactly=exactly, moving=self._adapts)",
        "pass",
        (f"{INPUT}::test_an_integer_holds_no_fractions",),
    ),
    Mutant(
        "exchange: rungs are one and the same in half precision",
        "replicas/_hyperparams.py",
        "few = jnp.finfo(kept.dtype).bits < 32 and name in exactly",
        "few = False",
        (f"{INPUT}::test_half_precision_holds_no_narrow_ladder",),
    ),
    Mutant(
        "exchange: some samplers stay at their own temperature",
        LADDERS,
        "self._check_all_heated(state, temperatures)",
        "pass",
        (f"{INPUT}::test_a_temperature_that_only_some_samplers_have",),
    ),
    Mutant(
        "exchange: of two exchanges the first is read",
        READERS,
        "if len(found) > 1:",
        "if len(found) > 9:",
        (f"{INPUT}::test_readers_of_several_exchanges",),
    ),
    Mutant(
        "exchange: the best of parameters that are not the replicas'",
        READERS,
        '_check_replicas(state, "params", params)',
        "pass",
        (f"{INPUT}::test_the_best_of_other_parameters",),
    ),
    Mutant(
        "replicas: a misspelt name of an argument is dropped",
        REPLICATE,
        "_check_given(own, extra_args)",
        "pass",
        (f"{REPLICAS}::test_bad_input",),
    ),
    Mutant(
        "energies: complex and boolean losses are cast",
        RECORDS,
        'check_real("value", losses)',
        "pass",
        ("replicas/test_input.py::test_losses_are_real[bool]",),
    ),
    Mutant(
        "replicas: parameters of one serve all",
        REPLICATE,
        '{"updates": updates, "params": params}.items()',
        '{"updates": updates}.items()',
        (f"{REPLICAS}::test_bad_input",),
    ),
    Mutant(
        "exchange: a value_fn may return anything",
        RECORDS,
        'if not hasattr(losses, "shape") or losses.shape != (num_replicas,):',
        "if False:",
        (f"{INPUT}::test_what_a_value_fn_returns",),
    ),
    Mutant(
        "chains: a program is kept for a loss that has changed",
        "_base/_trees.py",
        "own: Any = functools.partial(fn)",
        "own: Any = fn.__call__",
        ("replicas/test_chains.py::test_a_loss_without_a_hash",),
    ),
    Mutant(
        "exchange: samplers that step in some updates only rest for ever",
        EXCHANGE,
        "if ladders.rests(drawn):",
        "if False:",
        ("replicas/test_rest.py::test_a_sampler_that_rests_must_step_in_each_update",),
    ),
    Mutant(
        "exchange: a tether beside temperatures and masses does not let samplers rest",
        "replicas/_rungs.py",
        "and not scales <= self._baths",
        "and False",
        ("replicas/test_swaps_at_finite_steps.py::test_a_tether_where_swaps_change_masses_too",),
    ),
    Mutant(
        "psgld: the drift of the metric is lost in a rest",
        "integrators/_preconditioned.py",
        "adapting = ~step.resting",
        "adapting = step.resting | True",
        ("replicas/test_swaps_at_finite_steps.py::test_psgld_keeps_its_drift_over_a_rest",),
    ),
    Mutant(
        "psgld: after a rest the drift follows noise that moved nothing",
        "integrators/_preconditioned.py",
        "last_move = count - 1 - state.rested.astype(count.dtype)",
        "last_move = count - 1",
        ("replicas/test_swaps_at_finite_steps.py::test_psgld_keeps_its_drift_over_a_rest",),
    ),
    Mutant(
        "psgld: the drift has the temperature of the next step",
        "integrators/_preconditioned.py",
        "s * (root * z + ratio * drift)",
        "s * (root * z + drift)",
        (
            "replicas/test_swaps_at_finite_steps.py::"
            "test_psgld_has_the_drift_of_the_temperature_that_made_it",
        ),
    ),
    Mutant(
        "santa: frictions keep the width of the old rung",
        "integrators/_santa.py",
        "xi = xi + (swap.factor - 1) * (xi - mean_rate)",
        "xi = xi + 0 * (xi - mean_rate)",
        (
            "replicas/test_swaps_at_finite_steps.py::"
            "test_thermostats_of_santa_take_the_width_of_the_new_rung",
        ),
    ),
]
