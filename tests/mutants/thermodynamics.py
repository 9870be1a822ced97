"""Defects of learning coefficients."""

from tests.mutants.mutant import Mutant

AROUND = "thermodynamics/_around.py"
CHAINS = "thermodynamics/_chains.py"
CURVATURE = "thermodynamics/_curvature.py"
STATISTICS = "thermodynamics/_statistics.py"
REPORT = "thermodynamics/_report.py"
TASK = "thermodynamics/_task.py"
SWEEP = "thermodynamics/_sweep.py"

TESTS = "thermodynamics/test_learning_coefficient.py"
CHECKPOINTS = "thermodynamics/test_checkpoints.py"
QUADRATIC = (f"{TESTS}::test_quadratic",)
MINIBATCHES = (f"{TESTS}::test_minibatches",)
BAD_CHAIN = (f"{TESTS}::test_one_bad_chain_does_not_poison_the_others",)

CALLS = "thermodynamics/test_calls.py"

UNITS = "thermodynamics/test_any_unit.py"
SHARDING = "thermodynamics/test_sharding.py"

MUTANTS = [
    Mutant(
        "coefficient: squares of very small or large curvatures are lost",
        CURVATURE,
        "return size * optax.tree.norm(jax.tree.map(lambda x: x / size, wide))",
        "return optax.tree.norm(wide)",
        (f"{UNITS}::test_norms_and_the_largest_curvature",),
    ),
    Mutant(
        "coefficient: a gradient without a square is taken for noise",
        CHAINS,
        "jnp.where(jnp.isfinite(square), share, 1)",
        "share",
        (f"{UNITS}::test_a_gradient_of_batches_is_not_taken_for_noise",),
    ),
    Mutant(
        "coefficient: names and selectors free all weights",
        "thermodynamics/_parts.py",
        'if np.asarray(value).dtype.kind not in "bui":',
        "if False:",
        (f"{CALLS}::test_what_is_true_by_accident_frees_nothing",),
    ),
    Mutant(
        "coefficient: no weights are measured",
        "thermodynamics/_parts.py",
        "if not any(x.size for x in moving):",
        "if False:",
        (f"{CALLS}::test_weights_that_are_none",),
    ),
    Mutant(
        "rows of an explicit axis need a mesh around them",
        "_base/_trees.py",
        "    split = jax.sharding.NamedSharding(sharding.mesh, split)",
        "    split = split",
        (f"{SHARDING}::test_explicit_axes_that_cannot_be",),
    ),
    Mutant(
        "coefficient: chains that stand still at different places agree",
        STATISTICS,
        "return 1.0 if between == 0 else math.inf",
        "return 1.0",
        ("thermodynamics/test_statistics.py::test_chains_that_stand_still",),
    ),
    Mutant(
        "coefficient: the error takes what all chains have in common for noise of each",
        REPORT,
        'shared = settings["paired_batches"]',
        "shared = False",
        (f"{CALLS}::test_batches_that_chains_have_in_common_count_in_the_error",),
    ),
    Mutant(
        "coefficient: chains that are all the same go unnoticed",
        REPORT,
        "len(np.unique(heats[good], axis=0)) < len(units)",
        "len(np.unique(heats[good], axis=1)) < len(units)",
        (f"{CALLS}::test_chains_that_draw_the_same_are_told",),
    ),
    Mutant(
        "coefficient: no tether",
        AROUND,
        "tied = tether(precision, temperature, center=self.center.params)",
        "tied = tether(0.0, temperature, center=self.center.params)",
        QUADRATIC,
    ),
    Mutant(
        "coefficient: chains in turn do not see where it is steep",
        "thermodynamics/_in_turn.py",
        "jnp.maximum(sums[1], size)",
        "sums[1]",
        ("thermodynamics/test_in_turn.py::test_chains_that_take_turns_meet_the_same_curvature",),
    ),
    Mutant(
        "coefficient: chains in turn share their noise",
        "thermodynamics/_in_turn.py",
        "sampler_keys = _by_turn(pairs[:, 0], shape)",
        "sampler_keys = _by_turn(pairs[:1, 0].repeat(len(keys), 0), shape)",
        ("thermodynamics/test_in_turn.py::test_chains_that_take_turns_have_the_same_numbers",),
    ),
    Mutant(
        "coefficient: the temperature without the pull of the tether",
        AROUND,
        "like(precision * temperature, x.dtype) * x",
        "like(0 * temperature, x.dtype) * x",
        QUADRATIC,
    ),
    Mutant(
        "coefficient: the noise of minibatches stays in the gradient",
        AROUND,
        "return value - base - slope, jax.tree.map(jnp.subtract, gradient, noise)",
        "return value - base - slope, gradient",
        MINIBATCHES,
    ),
    Mutant(
        "coefficient: the noise of the mean gradient is not shrunk",
        CHAINS,
        "share = jnp.where(own > SIGNIFICANT * noise, 1 - noise / own, 0)",
        "share = jnp.ones_like(own)",
        (f"{TESTS}::test_minibatches",),
    ),
    Mutant(
        "coefficient: a chain that left slows the others",
        CHAINS,
        "met = jax.lax.pmax(jnp.where(around.is_near(rise), largest, 0), AXIS)",
        "met = jax.lax.pmax(largest * jnp.where(around.is_near(rise), 1, 1e9), AXIS)",
        BAD_CHAIN,
    ),
    Mutant(
        "coefficient: chains that left count",
        REPORT,
        "good &= means < high",
        "good &= means < np.inf",
        BAD_CHAIN,
    ),
    Mutant(
        "coefficient: the curvature at the centre only",
        CURVATURE,
        "return Gauge(vector, jnp.maximum(gauge.largest, jnp.where(good, size, 0)))",
        "return Gauge(vector, gauge.largest)",
        (f"{TESTS}::test_a_singularity_without_curvature",),
    ),
    Mutant(
        "coefficient: a loss that ends before it has risen by its heat has no curvature",
        CURVATURE,
        "jnp.isfinite(rise(distance)), distance, distance / 2",
        "True, distance, distance / 2",
        (f"{UNITS}::test_a_curvature_where_the_loss_has_an_end",),
    ),
    Mutant(
        "coefficients: all checkpoints around the first",
        TASK,
        "return jax.vmap(functools.partial(center_of, plan))(moving, frozen)",
        "return jax.vmap(functools.partial(center_of, plan))("
        "jax.tree.map(lambda x: jnp.zeros_like(x) + x[:1], moving), frozen)",
        (f"{CHECKPOINTS}::test_each_checkpoint_has_its_coefficient",),
    ),
    Mutant(
        "sweep: the plateau may be hot",
        SWEEP,
        "if inside.size < 2 or hot[rows, columns].any() or not near.all():",
        "if inside.size < 2 or not near.all():",
        (f"{CHECKPOINTS}::test_hot_settings_and_saddles_are_on_no_plateau",),
    ),
    Mutant(
        "coefficient: a saddle is a number like any other",
        REPORT,
        "return not self.value + 2 * self.standard_error < 0",
        "return True",
        (f"{CHECKPOINTS}::test_a_saddle_is_said_in_words",),
    ),
    Mutant(
        "coefficient: errors as of independent draws",
        STATISTICS,
        "size = series.size / time",
        "return Mean(float(series.mean()), math.sqrt(pooled / series.size), series.size, 1.0)",
        (f"{TESTS}::test_the_error_covers_in_ninety_of_a_hundred_seeds",),
    ),
]
