"""Defects of masses that differ between parameters, in steps, thermometers and energies."""

from tests.mutants.mutant import Mutant

MASSES = "_base/_masses.py"
WORDS = "integrators/_words.py"
STEPS = "integrators/_adaptive_steps.py"

LAWS = "physics/test_masses.py"
CONTRACT = "contract/test_masses.py"
BAOAB = (f"{LAWS}::test_langevin[BAOAB]",)
AOBOA = (f"{LAWS}::test_langevin[AOBOA]",)
ADAPTIVE = (f"{LAWS}::test_adaptive_langevin[BADODAB-group]",)

MUTANTS = [
    Mutant(
        "masses: the root is missing in the noise",
        WORDS,
        "noise = jnp.sqrt(mass) * affine.noise",
        "noise = affine.noise",
        BAOAB,
    ),
    Mutant(
        "masses: m for its root in the noise",
        WORDS,
        "noise = jnp.sqrt(mass) * affine.noise",
        "noise = mass * affine.noise",
        BAOAB,
    ),
    Mutant(
        "masses: missing in the drift",
        WORDS,
        "from_new=affine.from_new / mass,",
        "from_new=affine.from_new,",
        BAOAB,
    ),
    Mutant(
        "masses: missing in the drift by the old momentum",
        WORDS,
        "from_old=None if old is None else old / mass,",
        "from_old=old,",
        BAOAB,
    ),
    Mutant(
        "masses: missing in the drift by the gradient",
        WORDS,
        "from_gradient=affine.from_gradient / mass,",
        "from_gradient=affine.from_gradient,",
        (f"{LAWS}::test_langevin[BOAOB]",),
    ),
    Mutant(
        "masses: m for its root in the second noise",
        WORDS,
        "own_noise=None if own is None else own / jnp.sqrt(mass),",
        "own_noise=None if own is None else own / mass,",
        AOBOA,
    ),
    Mutant(
        "masses: the heat of gradients scaled by them",
        WORDS,
        "jnp.maximum(jnp.square(noise) - affine.brought, 0)",
        "jnp.maximum(jnp.square(noise) - mass * affine.brought, 0)",
        (f"{LAWS}::test_sghmc[noisy]",),
    ),
    Mutant(
        "masses: the root is missing in the noise of BADODAB",
        STEPS,
        "        amplitude = like(sigma, before.dtype) * jnp.sqrt(m)\n",
        "        amplitude = like(sigma, before.dtype)\n",
        ADAPTIVE,
    ),
    Mutant(
        "masses: the root is missing in the noise of SGNHT",
        STEPS,
        "like(sigma, dtype) * jnp.sqrt(m), time)",
        "like(sigma, dtype), time)",
        (f"{LAWS}::test_adaptive_langevin[SGNHT-group]",),
    ),
    Mutant(
        "masses: missing in the drift of BADODAB",
        STEPS,
        "moved = _flows.drift(moved, after, half, mass)",
        "moved = _flows.drift(moved, after, half)",
        ADAPTIVE,
    ),
    Mutant(
        "masses: missing in the energy of an array of them",
        MASSES,
        "return sum_of_squares(array / jnp.sqrt(mass))",
        "return sum_of_squares(array)",
        ADAPTIVE,
    ),
    Mutant(
        "masses: missing in the energy of an array with one",
        MASSES,
        "return sum_of_squares(array) / mass",
        "return sum_of_squares(array)",
        ADAPTIVE,
    ),
    Mutant(
        "masses: missing in the first momenta",
        "_base/_momenta.py",
        "noise = jnp.sqrt(mass).astype(noise.dtype) * noise",
        "noise = noise",
        (f"{LAWS}::test_first_momenta",),
    ),
    Mutant(
        "masses: a thermometer that does not know them",
        "diagnostics/_thermometers.py",
        "jnp.sum(p * seen / jnp.asarray(mass, p.dtype))",
        "jnp.sum(p * seen)",
        BAOAB,
    ),
    Mutant(
        "masses: missing in the energy that tempering feels",
        "temperature/_coupling.py",
        "sum_of_squares_over(m, p.",
        "sum_of_squares_over(1.0, p.",
        ("temperature/test_laws.py::test_joint_law_without_a_bias[paper-two masses]",),
    ),
    Mutant(
        "masses: the state keeps those of its start",
        MASSES,
        "jnp.clip(mass, after[place], after[place])",
        "jnp.clip(mass, 0, jnp.inf)",
        (f"{CONTRACT}::test_settings_win_when_a_run_goes_on[langevin]",),
    ),
    Mutant(
        "masses: an array of them is broadcast",
        MASSES,
        "or jnp.shape(entry) != array.shape)",
        "or jnp.ndim(entry) > array.ndim)",
        (f"{CONTRACT}::test_trees_that_do_not_fit_are_refused_by_init[langevin-would broadcast]",),
    ),
    Mutant(
        "masses: an entry without a parameter is ignored",
        MASSES,
        "if place not in above and",
        "if False and",
        (
            f"{CONTRACT}::test_trees_that_do_not_fit_are_refused_by_init[langevin-unknown place]",
            "geometry/test_tether.py::test_bad_input",
        ),
    ),
    Mutant(
        "masses: negative ones are taken",
        MASSES,
        "np.isfinite(numbers) & (numbers > 0)",
        "np.isfinite(numbers)",
        (f"{CONTRACT}::test_bad_numbers_are_refused_when_built[langevin-negative]",),
    ),
]
