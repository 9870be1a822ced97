"""Defects of local entropy."""

from tests.mutants.mutant import Mutant

LOOP = "geometry/_local_entropy.py"
ALIASES = "geometry/_aliases.py"
SCOPING = "geometry/_aliases.py"

TESTS = "geometry/test_local_entropy.py"
CODE = (f"{TESTS}::test_the_authors_code_by_hand",)
QUADRATURE = (f"{TESTS}::test_gradient_of_a_quadratic_in_a_hundred_dimensions",)

MUTANTS = [
    Mutant(
        "parle: its velocity takes what is not finite",
        "geometry/_elastic.py",
        "on_sound_gradients(optax.sgd(cast(Any, inner_learning_rate), velocity, nesterov=True))",
        "optax.sgd(cast(Any, inner_learning_rate), velocity, nesterov=True)",
        ("geometry/test_elastic.py::test_parle_survives_a_gradient_that_is_not_finite",),
    ),
    Mutant(
        "elastic coupling: a lost replica pulls",
        "geometry/_elastic.py",
        ", keepdims=True, where=sound)",
        ", keepdims=True)",
        ("geometry/test_elastic.py::test_a_lost_replica_pulls_at_no_other",),
    ),
    Mutant(
        "entropy mcmc: the guide follows a move that is not finite",
        "geometry/_entropy_mcmc.py",
        "return jnp.where(jnp.isfinite(new), new, guide)",
        "return new",
        ("geometry/test_entropy_mcmc.py::test_guide_of_a_scheduled_scope_and_a_fault",),
    ),
    Mutant(
        "samplers: no derivative where there is no heat",
        "_base/_scalars.py",
        "return jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, number)))",
        "return jnp.sqrt(number)",
        ("contract/test_derivatives.py::test_no_derivative_is_lost[cold-sgld]",),
    ),
    Mutant(
        "elastic coupling: the mean of half precision is rounded",
        "geometry/_elastic.py",
        "wide = x.astype(compute_dtype(x.dtype))",
        "wide = x",
        ("geometry/test_elastic.py::test_springs_of_half_precision_leave_the_mean_alone",),
    ),
    Mutant(
        "local entropy: one loss for all steps of an opaque loop",
        "geometry/_loop.py",
        'if name != "value"}',
        "if True}",
        ("geometry/test_modes.py::test_a_value_is_that_of_the_first_inner_step",),
    ),
    Mutant(
        "local entropy: noise in a velocity that begins anew",
        "geometry/_local_entropy.py",
        "if restart_mixing and num_streams(mixing_state):",
        "if False:",
        ("contract/test_keys.py::test_a_sampler_that_mixes_with_the_key_of_the_inner_one",),
    ),
    Mutant(
        "local entropy: the sampler that mixes shares the noise of the inner one",
        "geometry/_local_entropy.py",
        "mixing_state = with_own_stream(mix.init, params, inner_state)",
        "mixing_state = mix.init(params)",
        ("contract/test_keys.py::test_a_sampler_that_mixes_with_the_key_of_the_inner_one",),
    ),
    Mutant(
        "entropy: the guide feels no pull",
        "geometry/_entropy_mcmc.py",
        "jax.tree.map(jnp.negative, ties)",
        "jax.tree.map(jnp.zeros_like, ties)",
        ("geometry/test_entropy_mcmc.py",),
    ),
    Mutant(
        "entropy: weights that are not finite reach the guide",
        "geometry/_entropy_mcmc.py",
        "finite_or_zero(param.astype(guide.dtype) - guide)",
        "param.astype(guide.dtype) - guide",
        ("geometry/test_entropy_mcmc.py",),
    ),
    Mutant(
        "entropy: half the pull at the guide",
        "geometry/_entropy_mcmc.py",
        "return like(gamma, guide.dtype) * tie",
        "return like(gamma, guide.dtype) * tie / 2",
        ("geometry/test_entropy_mcmc.py::test_harmonic_well",),
    ),
    Mutant(
        "entropy: the tie pushes away from the outer point",
        LOOP,
        "return gradient + in_dtype_of(tie, gradient)",
        "return gradient - in_dtype_of(tie, gradient)",
        CODE,
    ),
    Mutant(
        "entropy: the weight of a new sample and of the old mean swapped",
        LOOP,
        "mean + like(weight, mean.dtype) * (new - mean), mean)",
        "new - like(weight, mean.dtype) * (new - mean), mean)",
        CODE,
    ),
    Mutant(
        "entropy: the mean of where the steps began",
        LOOP,
        "new = param.astype(mean.dtype) + moved.astype(mean.dtype)",
        "new = param.astype(mean.dtype) + 0 * moved.astype(mean.dtype)",
        CODE,
    ),
    Mutant(
        "entropy: the outer step away from the mean",
        LOOP,
        "weight = jnp.ones_like(gamma) if divide_by_scope else gamma",
        "weight = -jnp.ones_like(gamma) if divide_by_scope else -gamma",
        CODE,
    ),
    Mutant(
        "entropy: the scope divided out although it should stay",
        LOOP,
        "weight = jnp.ones_like(gamma) if divide_by_scope else gamma",
        "weight = jnp.ones_like(gamma)",
        (f"{TESTS}::test_gradient_in_a_landscape_of_two_valleys",),
    ),
    Mutant(
        "entropy: one inner step too many",
        LOOP,
        "due = taken >= num_inner_steps",
        "due = taken > num_inner_steps",
        CODE,
    ),
    Mutant(
        "entropy: the last way home enters the new mean",
        LOOP,
        "mean = jax.tree.map(functools.partial(jnp.where, due), mean_or_new, mean)",
        "mean = mean",
        (f"{TESTS}::test_the_outer_point_of_half_precision_keeps_what_the_parameters_cannot",),
    ),
    Mutant(
        "entropy: the new outer point is lost",
        LOOP,
        "(x,), _ = once(due, lambda _: (mean,), (x,))",
        "(x,), _ = once(due, lambda x: (x,), (x,))",
        CODE,
    ),
    Mutant(
        "entropy: the velocity never begins anew",
        LOOP,
        "    begins = state.inner_step == 0\n",
        "    begins = state.inner_step < 0\n",
        CODE,
    ),
    Mutant(
        "entropy: what is not finite enters the mean",
        LOOP,
        "return jnp.where(jnp.isfinite(new), mean + like(weight, mean.dtype) * (new - mean), mean)",
        "return mean + like(weight, mean.dtype) * (new - mean)",
        (f"{TESTS}::test_a_gradient_that_is_not_finite_leaves_the_outer_point_sound",),
    ),
    Mutant(
        "entropy: Adam's inner velocity begins anew",
        ALIASES,
        "restart_mixing=False",
        "restart_mixing=True",
        (f"{TESTS}::test_adam_keeps_its_velocity",),
    ),
    Mutant(
        "entropy: the noise of the text for that of the code",
        "units.py",
        "return squared / 2 if printed else squared",
        "return squared if printed else squared / 2",
        (f"{TESTS}::test_noise_of_the_authors_code",),
    ),
    Mutant(
        "entropy: a scope that grows linearly",
        SCOPING,
        "grown = (1 + at(growth, 0)) ** steps",
        "grown = 1 + at(growth, 0) * steps",
        CODE,
    ),
    Mutant(
        "local entropy: parameters of another shape are broadcast",
        LOOP,
        '        check_structure(updates, params, "`params`")\n',
        "",
        ("geometry/test_modes.py::test_parameters_that_would_be_broadcast",),
    ),
    Mutant(
        "entropy: a scope of 0 ends as no number",
        SCOPING,
        "jnp.minimum(grown, most)",
        "grown",
        ("geometry/test_scoping.py::test_a_scope_of_none_stays_none",),
    ),
    Mutant(
        "entropy: a schedule of the scope stops at its first value",
        SCOPING,
        "if callable(scope) or callable(scope_growth):",
        "if False:",
        ("geometry/test_scoping.py::test_a_schedule_would_stop_at_its_first_value",),
    ),
    Mutant(
        "entropy: scoping takes the first value of a schedule",
        SCOPING,
        "check_number(initial=initial, growth=growth)",
        "check_number()",
        ("geometry/test_scoping.py::test_no_number_is_a_schedule",),
    ),
    Mutant(
        "entropy: springs pull to the sum of the replicas",
        "geometry/_elastic.py",
        "jnp.mean(wide, axis=0, keepdims=True, where=sound)",
        "jnp.sum(wide, axis=0, keepdims=True, where=sound)",
        ("geometry/test_elastic.py::test_springs_leave_the_mean_alone_and_draw_replicas_together",),
    ),
    Mutant(
        "entropy: Parle averages its inner iterates",
        "geometry/_elastic.py",
        "new_sample_weight=1.0,",
        "new_sample_weight=0.75,",
        ("geometry/test_elastic.py::test_parle_by_hand",),
    ),
    Mutant(
        "entropy: an opaque update goes on in the middle of a loop",
        "geometry/_local_entropy.py",
        "        state = state._replace(inner_step=jnp.zeros_like(state.inner_step))\n",
        "",
        ("geometry/test_modes.py::test_a_state_goes_on_with_the_settings_of_another",),
    ),
    *(
        Mutant(
            f"entropy: {part} is told nothing but the gradient",
            LOOP,
            f"{old}, **extra_args)",
            f"{old})",
            ("geometry/test_modes.py::test_every_part_is_told_what_the_update_is_told",),
        )
        for part, old in (
            ("mixing", "mix.update(updates, mixing_state, params"),
            ("outer", "outer.update(gradient, outer_state, x"),
        )
    ),
]
