"""Defects of the order of minibatches."""

from tests.mutants.mutant import Mutant

BATCHES = "samples/_batches.py"
SHUFFLING = "samples/_shuffling.py"
TESTS = "samples/test_batch_order.py"
EPOCH = (f"{TESTS}::test_mean_over_an_epoch_is_the_full_gradient",)

MUTANTS = [
    Mutant(
        "batches: steps beyond 2^32 are those from 0",
        "_noise/_variates.py",
        "high = np.uint32(0) if word.dtype.itemsize <= 4 else (word >> 32).astype(jnp.uint32)",
        "high = np.uint32(0)",
        ("samples/test_batch_order.py::test_a_step_beyond_int32",),
    ),
    Mutant(
        "batches: every epoch in the same order",
        BATCHES,
        "shuffled(fold(order.words, epoch), places",
        "shuffled(order.words, places",
        (f"{TESTS}::test_epochs_differ",),
    ),
    Mutant(
        "batches: the way back begins one batch late",
        BATCHES,
        "epoch_steps - 1 - batch)",
        "(epoch_steps - batch) % epoch_steps)",
        (f"{TESTS}::test_symmetric_sweep_goes_back_as_it_came",),
    ),
    Mutant(
        "batches: the way back is a new order",
        BATCHES,
        "        epoch = epoch // 2\n",
        "",
        (f"{TESTS}::test_symmetric_sweep_goes_back_as_it_came",),
    ),
    Mutant(
        "batches: examples that fill a batch count",
        BATCHES,
        "np.float32(epoch_steps * size / num), np.float32(0))",
        "np.float32(1), np.float32(1))",
        EPOCH,
    ),
    Mutant(
        "batches: those that count have the weight 1",
        BATCHES,
        "np.float32(epoch_steps * size / num)",
        "np.float32(1)",
        EPOCH,
    ),
    Mutant(
        "batches: the longer batches overlap",
        BATCHES,
        "start = batch * least + jnp.minimum(batch, longer)",
        "start = batch * least",
        EPOCH,
    ),
    Mutant(
        "batches: draws with replacement are the same in every step",
        BATCHES,
        "drawn(fold(order.words, step)",
        "drawn(fold(order.words, 0)",
        ("samples/test_batch_variance.py::test_stationary_variance[sgld-replacement]",),
    ),
    Mutant(
        "batches: all processes take the first part",
        BATCHES,
        "(order.process_index * part)",
        "(order.process_index * 0)",
        (f"{TESTS}::test_processes_take_parts_of_one_batch",),
    ),
    Mutant(
        "batches: too few rounds of shuffling",
        SHUFFLING,
        "_HALF_ROUNDS = 16",
        "_HALF_ROUNDS = 2",
        (f"{TESTS}::test_pairs_of_places_are_uniform",),
    ),
    Mutant(
        "batches: a large step of NumPy's wraps around",
        BATCHES,
        "counted = known(number)",
        "counted = number if isinstance(number, int) else None",
        (f"{TESTS}::test_a_step_beyond_int32",),
    ),
    Mutant(
        "batches: the last words are not drawn again",
        SHUFFLING,
        "np.uint32(2**32 // num * num % 2**32)",
        "np.uint32(2**32 - 1)",
        (f"{TESTS}::test_draws_are_uniform_and_independent",),
    ),
]
