"""Defects of the noise and its keys, of the bath's channel, of partitions and of diagnostics."""

from tests.mutants.mutant import Mutant

NOISE = "_noise/_map.py"
KEYS = "_noise/_keys.py"
LAWS = "_noise/_variates.py"
TERNARY = "_noise/_variates.py"
SCALARS = "_base/_scalars.py"
WORDS = "integrators/_words.py"

APART = "contract/test_keys.py::test_groups_that_nothing_tells_apart_where_keys_are_traced"
INDEPENDENCE = "physics/test_independence.py"
LEAVES = (f"{INDEPENDENCE}::test_leaves_and_steps[threefry]",)
GROUPS = (f"{INDEPENDENCE}::TestTheSameKeyTwice::test_groups_of_a_partition[sgld]",)
REPLICAS = (f"{INDEPENDENCE}::TestTheSameKeyTwice::test_replicas[sgld]",)
GENERATORS = "physics/test_generators.py"
SCHEDULES = "physics/test_schedules.py"
THERMOMETERS = ("diagnostics/test_thermometers.py",)

MUTANTS = [
    Mutant(
        "noise: all leaves start at one counter",
        "_noise/_layout.py",
        "Place(leaf, lane, lanes[lane])",
        "Place(leaf, lane, 0)",
        LEAVES,
    ),
    Mutant(
        "noise: all leaves in one lane",
        "_noise/_layout.py",
        "Place(leaf, lane, lanes[lane])",
        "Place(leaf, 0, lanes[lane])",
        LEAVES,
    ),
    Mutant(
        "noise: groups start at one counter",
        "_noise/_layout.py",
        "start = groups[-1].start + groups[-1].length if groups else 0",
        "start = 0",
        ("_noise/test_noise.py::test_places_do_not_overlap",),
    ),
    Mutant(
        "noise: places of coordinates known before the loop",
        "_xla.py",
        "return lax.population_count(tick) >> np.uint32(6)",
        "return jnp.zeros_like(tick) + 0 * np.uint32(6)",
        ("_noise/test_noise.py::test_loops_in_loops_keep_no_counters[fused]",),
    ),
    Mutant(
        "noise: counters beyond one word are those below",
        NOISE,
        "return key[0], key[1] ^ high",
        "return key[0], key[1] ^ (high & np.uint32(0))",
        ("_noise/test_long_counters.py",),
    ),
    Mutant(
        "noise: a group lies across two words of counters",
        "_noise/_layout.py",
        "groups.append(group._replace(start=-(-start // COUNTERS) * COUNTERS) if past else group)",
        "groups.append(group)",
        ("_noise/test_long_counters.py::test_groups_lie_within_one_word",),
    ),
    Mutant(
        "noise: a sum of two words drops the carry",
        "_noise/_counters.py",
        "x[0] + y[0] + (low < x[1]).astype(jnp.uint32), low",
        "x[0] + y[0] + (low < x[1]).astype(jnp.uint32) * np.uint32(0), low",
        ("_noise/test_long_counters.py",),
    ),
    Mutant(
        "noise: one key for all leaves, with jax.random",
        NOISE,
        "key = jax.random.fold_in(key, index)",
        "del index",
        (f"{INDEPENDENCE}::test_leaves_and_steps[jax]",),
    ),
    Mutant(
        "noise: the step is not hashed (fused)",
        NOISE,
        "return law(*threefry2x32(key, (tick, start + index), rounds))[lane]",
        "return law(*threefry2x32(key, (0 * tick, start + index), rounds))[lane]",
        ("_noise/test_noise.py::test_layouts_agree",),
    ),
    Mutant(
        "noise: the step is not hashed (paired)",
        NOISE,
        "pair = threefry2x32(key, (tick, start + ",
        "pair = threefry2x32(key, (0 * tick, start + ",
        ("_noise/test_noise.py::test_layouts_agree",),
    ),
    Mutant(
        "noise: 13 rounds for 20",
        LAWS,
        '"threefry": Generator(20, box_muller)',
        '"threefry": Generator(13, box_muller)',
        ("_noise/test_noise.py::test_normals_are_those_of_the_reference",),
    ),
    Mutant(
        "noise: first momenta are the first step's noise",
        "_base/_momenta.py",
        "draw = fold(key, _DRAW_OF_MOMENTA)",
        "draw = key",
        (f"{INDEPENDENCE}::test_steps_and_the_initial_momentum",),
    ),
    Mutant(
        "keys: groups of a partition share their noise",
        KEYS,
        "[name, *(jax.tree_util.keystr(path) for path, _ in paths)]",
        "[name, *('' for path, _ in paths)]",
        GROUPS,
    ),
    Mutant(
        "keys: methods share their noise",
        KEYS,
        "[name, *(jax.tree_util.keystr(path) for path, _ in paths)]",
        "[*(jax.tree_util.keystr(path) for path, _ in paths)]",
        (f"{INDEPENDENCE}::test_methods_with_the_same_key",),
    ),
    Mutant(
        "keys: the user's key is not used",
        KEYS,
        "fold(words, int.from_bytes",
        "fold(0 * words, int.from_bytes",
        REPLICAS,
    ),
    Mutant(
        "keys: noise repeats where the count stays",
        KEYS,
        "return words + (count == jnp.iinfo(count.dtype).max).astype(words.dtype)",
        "return words",
        ("contract/test_keys.py::test_noise_goes_on_where_the_count_stays",),
    ),
    Mutant(
        "keys: numbers beyond 32 bits are those below",
        KEYS,
        "return _of_halves(jnp.uint32(high % 2**32), jnp.uint32(low))",
        "return _of_halves(jnp.uint32(0), jnp.uint32(low))",
        ("contract/test_keys.py::test_integers_of_64_bits",),
    ),
    Mutant(
        "keys: half of a key of four words is not used",
        KEYS,
        "fold(words[:2], words[2]) ^ fold(words[2:], words[1])",
        "words[:2]",
        ("contract/test_keys.py::test_both_halves_of_an_rbg_key_count",),
    ),
    Mutant(
        "keys: inner and outer sampler share their noise",
        KEYS,
        "return _deeper(init, params, max(num_streams(beside), 1))",
        "return state",
        ("contract/test_keys.py::test_inner_and_outer_sampler_with_one_key",),
    ),
    Mutant(
        "keys: outer samplers of local entropies in each other share their noise",
        KEYS,
        "max(num_streams(beside), 1)",
        "1",
        ("contract/test_keys.py::test_local_entropies_in_each_other_with_one_key",),
    ),
    Mutant(
        "keys: equal streams are not seen under jit",
        "_base/_bath.py",
        "if any(isinstance(key, Tracer) for key in streams.values()):",
        "if False:",
        (f"{APART}[jit]",),
    ),
    Mutant(
        "keys: equal streams are not seen in replicas",
        "replicas/_replicate.py",
        "if len(streams_of(state)) > 1 and not is_replica():",
        "if False:",
        (f"{APART}[replicate]",),
    ),
    Mutant(
        "counts that decide what is due stay at the last one",
        SCALARS,
        "jnp.where(last, jnp.asarray(_HALF, count.dtype), next_count(count))",
        "next_count(count)",
        ("replicas/test_exchange.py::test_swaps_and_samples_go_on_after_the_last_count",),
    ),
    Mutant(
        "half precision: replicas do not hear that heat rounds to nothing",
        "replicas/_replicate.py",
        "if known and any(leaf.dtype.itemsize < 4 for leaf in leaves):",
        "if False:",
        ("physics/test_half_precision.py::test_heat_that_rounds_to_nothing_in_replicas",),
    ),
    Mutant(
        "Box-Muller: factor 2 of the logarithm missing",
        LAWS,
        "r = jnp.sqrt(np.float32(-2) * _log(u))",
        "r = jnp.sqrt(np.float32(-1) * _log(u))",
        (f"{GENERATORS}::test_stationary_law_in_a_harmonic_well[threefry]",),
    ),
    Mutant(
        "Box-Muller: cosine twice instead of cosine and sine",
        LAWS,
        "quarter_turn = np.uint32(2**30)",
        "quarter_turn = np.uint32(0)",
        LEAVES,
    ),
    Mutant(
        "Threefry: a wrong rotation",
        LAWS,
        "(13, 15, 26, 6, 17, 29, 16, 24)",
        "(13, 15, 26, 6, 17, 29, 16, 25)",
        ("_noise/test_variates.py::test_known_answers",),
    ),
    Mutant(
        "ternary: probability 1/4 for 1/6",
        TERNARY,
        "sixth = 2**32 // _BASE",
        "sixth = 2**32 // 4",
        (f"{GENERATORS}::test_stationary_law_in_a_harmonic_well[ternary]",),
    ),
    Mutant(
        "ternary: the first digit of a word, four times",
        TERNARY,
        "word = word * np.uint32(_BASE)",
        "word = word * np.uint32(1)",
        ("_noise/test_noise_statistics.py::test_independence[ternary]",),
    ),
    Mutant(
        "bath: temperature_scale ignored",
        SCALARS,
        "return own * jnp.maximum(like(scale, own.dtype), 0)",
        "return own",
        (f"{SCHEDULES}::test_temperature_scale_multiplies_the_bath",),
    ),
    Mutant(
        "bath: temperature_scale scales the amplitude",
        SCALARS,
        "return own * jnp.maximum(like(scale, own.dtype), 0)",
        "return own * jnp.square(like(scale, own.dtype))",
        (f"{SCHEDULES}::test_temperature_scale_multiplies_the_bath",),
    ),
    Mutant(
        "schedules: stuck at the first step",
        SCALARS,
        "value = value(count) if callable(value) else value",
        "value = value(0 * count) if callable(value) else value",
        (f"{SCHEDULES}::test_temperature_follows_its_schedule",),
    ),
    Mutant(
        "schedules: one step ahead",
        SCALARS,
        "value = value(count) if callable(value) else value",
        "value = value(count + 1) if callable(value) else value",
        (f"{SCHEDULES}::test_temperature_follows_its_schedule",),
    ),
    Mutant(
        "half precision: momenta updated in the parameters' own dtype",
        "_base/_momenta.py",
        "functools.reduce(np.promote_types, dtypes, np.dtype(np.float32))",
        "functools.reduce(np.promote_types, dtypes)",
        ("physics/test_half_precision.py::test_weak_friction_and_its_heat_are_not_lost",),
    ),
    Mutant(
        "lol: h^2 for h^2 / 2 as the learning rate of the output layer",
        "partitions/_lol.py",
        "    return wide**2 / 2",
        "    return wide**2",
        ("partitions/test_layers.py::test_each_group_moves_as_its_integrator_alone[lol]",),
    ),
    Mutant(
        "thermometer: mass forgotten",
        "diagnostics/_thermometers.py",
        "jnp.sum(p * seen / jnp.asarray(mass, p.dtype))",
        "jnp.sum(p * seen)",
        THERMOMETERS,
    ),
    Mutant(
        "thermometer: half a kick left in",
        WORDS,
        "return jnp.stack([jnp.ones_like(kicked), kicked])",
        "return jnp.stack([jnp.ones_like(kicked), 0 * kicked])",
        THERMOMETERS,
    ),
    Mutant(
        "thermometer: band with both tails on each side",
        "diagnostics/_bands.py",
        "tail = (1 - confidence) / 2",
        "tail = 1 - confidence",
        THERMOMETERS,
    ),
    Mutant(
        "validate: passes whatever it finds",
        "validation/_report.py",
        "return self.excess <= Z",
        "return True",
        ("validation/test_validate.py::test_others_fail[no motion]",),
    ),
    Mutant(
        "validate: does not ask whether chains moved",
        "validation/_statistics.py",
        "MEMORY = 0.1",
        "MEMORY = 1.1",
        ("validation/test_validate.py::test_others_fail[no motion]",),
    ),
    Mutant(
        "schedules: a ramp that rounds to below 0 goes into the root",
        SCALARS,
        "return jnp.maximum(at(value, count), 0)",
        "return at(value, count)",
        (f"{SCHEDULES}::test_ramps_that_round_to_below_zero",),
    ),
    Mutant(
        "bath: a factor that rounds to below 0 goes into the root",
        SCALARS,
        "return own * jnp.maximum(like(scale, own.dtype), 0)",
        "return own * like(scale, own.dtype)",
        (f"{SCHEDULES}::test_ramps_that_round_to_below_zero",),
    ),
    Mutant(
        "schedules: nobody looks at where they begin",
        "_base/_checks.py",
        "    value = first_value(value)\n    # By dtype",
        "    if callable(value):\n        return None\n    # By dtype",
        ("contract/test_bad_input.py::test_schedules_are_looked_at_where_they_begin",),
    ),
    Mutant(
        "numbers: checked in a precision that no step has",
        "_base/_checks.py",
        "        number = as_computed(known)",
        "        number = known",
        ("contract/test_bad_input.py::test_numbers_that_rounding_takes_out_of_their_range",),
    ),
    Mutant(
        "lol: the rate of the output layer in the precision of the step size",
        "partitions/_lol.py",
        "wide = step_size if isinstance(step_size, int | float) else at(step_size, 0)",
        "wide = step_size",
        ("partitions/test_layers.py::test_the_overdamped_learning_rate_has_room",),
    ),
    Mutant(
        "layers: numbers of groups that do not have them are left out without a word",
        "partitions/_groups.py",
        "        if others:",
        "        if False:",
        ("partitions/test_layers.py::test_numbers_of_groups_that_do_not_have_them",),
    ),
]
