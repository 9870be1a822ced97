"""Defects of collected samples, running moments and what is read from them."""

from tests.mutants.mutant import Mutant

RULE = "samples/_rule.py"
COLLECT = "samples/_collect.py"
MOMENTS = "samples/_moments.py"
READINGS = "samples/_readings.py"
POSTERIOR = "samples/_posterior.py"
ENSEMBLE = "samples/_ensemble.py"
FOUND = "_base/_trees.py"
ARVIZ = "diagnostics/_arviz.py"

PARTS = "samples/test_composition.py"
MANY = "samples/test_moments.py::test_what_is_below_the_last_digit_counts"
STEPS = ("samples/test_collect.py::test_which_steps",)
WALK = ("samples/test_moments.py::test_moments_of_the_walk",)
DRAWS = ("samples/test_moments.py::test_draws_have_the_moments",)

MUTANTS = [
    Mutant(
        "ensemble: the squares of complex deviations instead of their sizes'",
        ENSEMBLE,
        "jnp.square(jnp.abs(_wide(values) - center[None]))",
        "jnp.square(jnp.real(_wide(values) - center[None]))",
        ("samples/test_ensemble.py::test_complex_predictions_keep_their_imaginary_part",),
    ),
    Mutant(
        "samples: the burn-in one step too long",
        RULE,
        "(count >= begin) & ((count - begin)",
        "(count > begin) & ((count - begin)",
        STEPS,
    ),
    Mutant(
        "samples: thinned from step 0 instead of the end of the burn-in",
        RULE,
        "((count - begin) % every == 0)",
        "(count % every == 0)",
        STEPS,
    ),
    Mutant(
        "samples: the parameters before the step",
        RULE,
        "choose(optax.apply_updates(params, moved), inner_state)",
        "choose(params, inner_state)",
        STEPS,
    ),
    Mutant(
        "samples: the schedule read one step late",
        RULE,
        "answer &= at(collect, count) != 0",
        "answer &= at(collect, count + 1) != 0",
        ("samples/test_collect.py::test_cycles",),
    ),
    Mutant(
        "samples: asks the state before the step",
        RULE,
        "due(state.count, state.inner_state, inner_state)",
        "due(state.count, state.inner_state, state.inner_state)",
        ("samples/test_collect.py::test_only_on_the_cold_plateau",),
    ),
    Mutant(
        "samples: what is not finite is stored",
        RULE,
        "store(due & _all_finite(new), kept)",
        "store(due, kept)",
        ("samples/test_collect.py::test_what_is_not_finite_is_not_stored",),
    ),
    Mutant(
        "samples: a chain stores whenever another does",
        RULE,
        "row = jnp.where(due, leaf.astype(buffer.dtype), old)",
        "row = leaf.astype(buffer.dtype)",
        ("samples/test_moments.py::test_chains_with_schedules_of_their_own",),
    ),
    Mutant(
        "samples: through a loop of its own for each chain, which copies all samples",
        "_xla.py",
        "(for_any(due), parts)",
        "(due, parts)",
        ("samples/test_collect.py::test_vmapped_updates_copy_no_buffer",),
    ),
    Mutant(
        "samples: a full buffer overwritten although it should stop",
        COLLECT,
        "due &= state.num_collected < num_samples",
        "due &= state.num_collected < num_samples + 1",
        STEPS,
    ),
    Mutant(
        "samples: read in the order of the rows",
        READINGS,
        "last = num_collected[..., None] + np.arange(-number, 0)",
        "last = np.zeros_like(num_collected)[..., None] + np.arange(number)",
        STEPS,
    ),
    Mutant(
        "samples: the mask's samples rolled the wrong way",
        READINGS,
        "jnp.roll(rows, -first, axis=0)",
        "jnp.roll(rows, first, axis=0)",
        STEPS,
    ),
    Mutant(
        "moments: the deviation from the new mean twice",
        MOMENTS,
        "jnp.square(deviation(leaf, mean)) * ((n - 1) / n)",
        "jnp.square(deviation(leaf, mean) * ((n - 1) / n))",
        WALK,
    ),
    Mutant(
        "moments: the mean of half precision in half precision",
        MOMENTS,
        "mean, squares = jax.tree.map(wide_zeros, kept), jax.tree.map(wide_zeros, kept)",
        "mean, squares = (jax.tree.map(jnp.zeros_like, kept) for _ in range(2))",
        ("samples/test_moments.py::test_half_precision_is_averaged_in_float32",),
    ),
    Mutant(
        "moments: what is below the last digit of a mean is rounded away",
        MOMENTS,
        "return added(mean, deviation(leaf, mean) / share(mean.dtype), number)",
        "return mean + deviation(leaf, mean) / share(mean.dtype)",
        (MANY,),
    ),
    Mutant(
        "moments: late squares are rounded away",
        MOMENTS,
        "return added(squares, jnp.square(deviation(leaf, mean)) * ((n - 1) / n), number)",
        "return squares + jnp.square(deviation(leaf, mean)) * ((n - 1) / n)",
        (MANY,),
    ),
    Mutant(
        "moments: rounded up as often as down, wherever between the two",
        "_base/_scalars.py",
        "moved = total + (increment + jnp.abs(offset) * (neighbour - near))",
        "moved = near + jnp.where(jnp.abs(offset) > 0.25, neighbour - near, 0)",
        (MANY,),
    ),
    Mutant(
        "loss covariances: late products are rounded away",
        "samples/_covariances.py",
        "products = added(products, both, number)",
        "products = products + both",
        (MANY,),
    ),
    Mutant(
        "loss covariances: what is below the last digit of a mean is rounded away",
        "samples/_covariances.py",
        "mean_losses = added(mean_losses, losses * share.astype(losses.dtype), number)",
        "mean_losses = mean_losses + losses * share.astype(losses.dtype)",
        (MANY,),
    ),
    Mutant(
        "chains: late losses of a chunk are rounded away",
        "replicas/_chains.py",
        "added(mean, (x - mean) / like(done + 1, x.dtype), done)",
        "mean + (x - mean) / like(done + 1, x.dtype)",
        ("replicas/test_chains.py::test_the_mean_of_a_long_chunk",),
    ),
    Mutant(
        "chains: one batch for all steps after the last count",
        "replicas/_chains.py",
        "Chains(next_in_turn(chains.count), params, state)",
        "Chains(optax.safe_increment(chains.count), params, state)",
        ("replicas/test_chains.py::test_batches_go_on_after_the_last_count",),
    ),
    Mutant(
        "samples: parameters of another tree are returned as they are",
        FOUND,
        "    if lost:\n",
        "    if False:\n",
        (f"{PARTS}::test_parameters_that_are_none_of_the_state",),
    ),
    Mutant(
        "samples: of another shape than the parameters",
        FOUND,
        "if shape != arrays[place].shape:",
        "if False:",
        (f"{PARTS}::test_parameters_that_are_none_of_the_state",),
    ),
    Mutant(
        "samples: one of several moments of the same parameters is read without a word",
        FOUND,
        "        if twice:\n",
        "        if False:\n",
        (f"{PARTS}::test_of_one_within_another_the_outer_one_is_read",),
    ),
    Mutant(
        "samples: of one within another the inner one is read",
        FOUND,
        "strict=True) if not inner]",
        "strict=True) if inner or len(within) < 2]",
        (f"{PARTS}::test_of_one_within_another_the_outer_one_is_read",),
    ),
    Mutant(
        "moments: the largest rank is that of a group without parameters",
        POSTERIOR,
        "rank = max((rows.shape[0] for rows in jax.tree.leaves(every)), default=0)",
        "rank = 3",
        (f"{PARTS}::test_a_group_without_parameters_changes_nothing",),
    ),
    Mutant(
        "moments: a biased variance",
        POSTERIOR,
        "like(jnp.maximum(n - 1, 1), squares.dtype)",
        "like(jnp.maximum(n, 1), squares.dtype)",
        WALK,
    ),
    Mutant(
        "moments: SWAG's divisor for deviations from the mean of all",
        POSTERIOR,
        "jnp.sqrt(kept * (number - 1) / number)",
        "jnp.sqrt(jnp.maximum(kept - 1, 1))",
        ("samples/test_moments.py::test_low_rank_covariance_is_unbiased",),
    ),
    Mutant(
        "moments: draws with the whole of both covariances",
        POSTERIOR,
        "share = 1.0 if moments.deviations is None else 0.5",
        "share = 1.0",
        DRAWS,
    ),
    Mutant(
        "moments: one noise for all draws of the low rank",
        POSTERIOR,
        "low_key, (tick,), jnp.zeros(rank)",
        "low_key, (0 * tick,), jnp.zeros(rank)",
        DRAWS,
    ),
    Mutant(
        "ensemble: the spread without the loss of a degree of freedom",
        ENSEMBLE,
        "/ (1 - jnp.sum(shares**2)).astype(squares.dtype)",
        "",
        ("samples/test_ensemble.py::test_mean_and_spread",),
    ),
    Mutant(
        "ensemble: what has no weight still counts if it is not a number",
        ENSEMBLE,
        "jnp.where(along == 0, 0, along * wide)",
        "along * wide",
        ("samples/test_ensemble.py::test_weights",),
    ),
    Mutant(
        "ensemble: a mean of nothing is 0",
        ENSEMBLE,
        "jnp.where(along == 0, 0, along * wide)",
        "jnp.where(along > 0, along * wide, 0)",
        ("samples/test_ensemble.py::test_weights_without_meaning",),
    ),
    Mutant(
        "samples: only the first group of a partition is read",
        FOUND,
        "arrays.update(new)",
        "arrays = arrays or new",
        ("samples/test_composition.py::test_each_group_of_a_partition",),
    ),
    Mutant(
        "arviz: another R-hat than was asked for",
        ARVIZ,
        'require_arviz().rhat(_converted({"posterior": posterior}), method=method)',
        'require_arviz().rhat(_converted({"posterior": posterior}))',
        ("diagnostics/test_arviz.py::test_rhat_of_chains_apart",),
    ),
    Mutant(
        "arviz: names with slashes, which no file takes",
        "diagnostics/_names.py",
        '.replace("/", separator)',
        "",
        ("diagnostics/test_arviz.py::test_saved_and_read_again[Haiku]",),
    ),
    Mutant(
        "arviz: no warning of chains read as draws",
        ARVIZ,
        "1 < shape[0] < shape[1]",
        "1 < shape[1] < shape[0]",
        ("diagnostics/test_arviz.py::test_chains_that_are_not_said_to_be_chains",),
    ),
    Mutant(
        "samples: split along the axis that counts them",
        "samples/_sharding.py",
        "return PartitionSpec(*[None] * further, *sharding)",
        "return PartitionSpec(*sharding)",
        ("samples/test_sharding.py::test_map_params",),
    ),
    Mutant(
        "samples: on the rungs before the swap",
        RULE,
        "choose(optax.apply_updates(params, moved), inner_state)",
        "choose(optax.apply_updates(params, moved), state.inner_state)",
        ("samples/test_rungs.py::test_what_is_kept_is_what_stood_on_the_rung",),
    ),
    Mutant(
        "samples: the rung of a replica for the replica of a rung",
        "samples/_rungs.py",
        "order = jnp.argsort(rungs)",
        "order = rungs",
        ("samples/test_rungs.py::test_what_is_kept_is_what_stood_on_the_rung",),
    ),
    Mutant(
        "samples: a rung's samples are those of a replica",
        "samples/_rungs.py",
        "order = jnp.argsort(rungs)",
        "order = jnp.arange(size)",
        ("samples/test_rungs.py::test_every_rung_has_its_law",),
    ),
    Mutant(
        "samples: replicas of many temperatures are collected without a word",
        "samples/_rungs.py",
        'if any("temperature" in exchange.ladder for _, exchange in exchanges):',
        "if False:",
        ("samples/test_rungs.py::test_collected_replicas_mix_temperatures",),
    ),
    Mutant(
        "covariances: one loss broadcasts over a state of several",
        "samples/_covariances.py",
        'check_kept("per_example_loss", len(losses), mean_losses, "losses")',
        "pass",
        ("samples/test_covariances.py::test_bad_input",),
    ),
]
