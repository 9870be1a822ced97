"""Defects of ladders, and of what is read off replicas."""

from tests.mutants.mutant import Mutant

BARRIER = "replicas/_barrier.py"
HARMONIC = "replicas/_ladders.py"
LADDER = "replicas/_ladders.py"
DIFFUSION = "diagnostics/_diffusion.py"
RANKS = "diagnostics/_ranks.py"

LADDERS = "replicas/test_ladder.py"
READINGS = "diagnostics/test_diffusion.py"

MUTANTS = [
    Mutant(
        "ladder: the barrier is the mean rejection",
        BARRIER,
        "return CommunicationBarrier(cumulative[-1], cumulative, rungs)",
        "return CommunicationBarrier(jnp.mean(rates), cumulative, rungs)",
        (f"{LADDERS}::test_measured_barrier",),
    ),
    Mutant(
        "ladder: acceptances for rejections",
        BARRIER,
        "shares = jnp.maximum(rates, LEAST",
        "shares = jnp.maximum(1 - rates, LEAST",
        (f"{LADDERS}::test_any_monotone_coordinate_will_do",),
    ),
    Mutant(
        "ladder: slopes in a small unit are 0",
        BARRIER,
        "return jnp.sign(slope) * jnp.sign(other) <= 0",
        "return slope * other <= 0",
        ("replicas/test_any_unit.py::test_adapted_ladders_know_no_unit",),
    ),
    Mutant(
        "ladder: one step too many between the ends",
        BARRIER,
        "inner = jnp.linspace(0, cumulative[-1], num_rungs, dtype=rungs.dtype)[1:-1]",
        "inner = jnp.linspace(0, cumulative[-1], num_rungs + 1, dtype=rungs.dtype)[1:-2]",
        (f"{LADDERS}::test_degenerate_rates",),
    ),
    Mutant(
        "ladder: pairs that never reject have no width",
        BARRIER,
        "shares = jnp.maximum(rates, LEAST * jnp.where(mean > 0, mean, 1))",
        "shares = rates",
        (f"{LADDERS}::test_degenerate_rates",),
    ),
    Mutant(
        "ladder: pairs that were never tried count as accepting all",
        BARRIER,
        "jnp.where(count > 0, mean, 0.5)",
        "jnp.zeros_like(mean)",
        (f"{LADDERS}::test_degenerate_rates",),
    ),
    Mutant(
        "ladder: the cubic overshoots at the ends",
        "replicas/_barrier.py",
        "slope = jnp.where(_opposed(slope, secant), 0, slope)",
        "slope = secant * 4",
        (f"{LADDERS}::test_monotone_cubic",),
    ),
    Mutant(
        "ladder: half the acceptance",
        HARMONIC,
        "return 2 * betainc(degrees / 2",
        "return betainc(degrees / 2",
        (f"{LADDERS}::test_harmonic_acceptance",),
    ),
    Mutant(
        "ladder: as many degrees as half-degrees of freedom",
        HARMONIC,
        "half = num_degrees_of_freedom / 2",
        "half = num_degrees_of_freedom",
        (f"{LADDERS}::test_barrier_of_harmonic_energies",),
    ),
    Mutant(
        "ladder: one step too few for the acceptance",
        HARMONIC,
        "steps = max(1, math.ceil(",
        "steps = max(1, math.floor(",
        (f"{LADDERS}::test_ladder_from_acceptance",),
    ),
    Mutant(
        "ladder: as many rungs as steps",
        HARMONIC,
        "return geometric_ladder(low, high, steps + 1)",
        "return geometric_ladder(low, high, max(2, steps))",
        (f"{LADDERS}::test_ladder_from_acceptance",),
    ),
    Mutant(
        "ladder: one replica for each rejection",
        BARRIER,
        "math.ceil(2 * total - 1e-5) + 1",
        "math.ceil(total - 1e-5) + 1",
        (f"{LADDERS}::test_recommended_replicas",),
    ),
    Mutant(
        "ladder: geometric steps that end one too early",
        LADDER,
        "np.linspace(0, 1, num_rungs)[1:-1]",
        "np.linspace(0, 1, num_rungs + 1)[1:-2]",
        (f"{LADDERS}::test_linear_and_geometric",),
    ),
    Mutant(
        "diffusion: equal numbers do not share their ranks",
        RANKS,
        "return below + (equal + 1) / 2",
        "return below + equal",
        (f"{READINGS}::test_correlation_is_spearmans",),
    ),
    Mutant(
        "diffusion: distances correlated without their ranks",
        DIFFUSION,
        "correlate(average_ranks(reached), average_ranks(values))",
        "correlate(reached, average_ranks(values))",
        (f"{READINGS}::test_correlation_is_spearmans",),
    ),
    Mutant(
        "diffusion: the chance of one sign only",
        RANKS,
        "return jnp.minimum(2 * chance, 1)",
        "return chance",
        (f"{READINGS}::test_p_value_of_one_seed",),
    ),
    Mutant(
        "diffusion: all seeds share their chance",
        RANKS,
        "[counts / len(permuted)] * num_seeds",
        "[counts / len(permuted)]",
        (f"{READINGS}::test_p_value_is_the_rate_of_false_alarms",),
    ),
    Mutant(
        "diffusion: a turn of the order goes unseen",
        DIFFUSION,
        "eligible=jnp.all(late) & jnp.all(signs == signs[0])",
        "eligible=jnp.all(late)",
        (f"{READINGS}::test_without_order_it_may_not",),
    ),
    Mutant(
        "diffusion: the spread between seeds for the error of their mean",
        DIFFUSION,
        "jnp.std(slope, axis=(0, 1), ddof=1) / num_seeds**0.5",
        "jnp.std(slope, axis=(0, 1), ddof=1)",
        (f"{READINGS}::test_random_walks_have_the_exponent_of_free_diffusion",),
    ),
    Mutant(
        "diffusion: the mean square for the sum of squares",
        DIFFUSION,
        "jax.vmap(sum_of_squares)(away)",
        "jnp.mean(away**2, axis=tuple(range(1, away.ndim)))",
        (f"{READINGS}::test_distance_of_each_replica",),
    ),
]
