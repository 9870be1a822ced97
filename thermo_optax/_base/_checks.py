"""Checks of arguments: each message names the argument, the value and the remedy.

Values are checked where they are known: Python and NumPy numbers, concrete arrays, and what a
schedule gives at step 0. Traced values pass: nothing under tracing may depend on a Python branch.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from ._scalars import first_value


def _known(name: str, value: Any) -> np.ndarray | None:
    """A concrete number, of a schedule that at step 0; None for a traced value."""
    value = first_value(value)
    # By dtype: NumPy would read a number from a text, and take a truth value for one.
    dtype = value.dtype if hasattr(value, "dtype") else np.dtype(type(value))
    if not (jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)):
        unset = value is None and name in ("step_size", "friction")
        raise TypeError(
            f"`{name}` must be a number, a JAX scalar or a schedule (a function of the step "
            f"count), got {value!r} of type {type(value).__name__}."
            + (" `warm_up` finds a value, in the first steps of a chain." if unset else "")
        )
    if np.shape(value):
        raise ValueError(
            f"`{name}` must be a single number, got an array of shape {np.shape(value)}. To try "
            "several at once, `jax.vmap` a function of one that builds the transformation."
        )
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value, float)


def _check(condition: str, remedy: str, ok: Any, hyperparams: dict[str, Any]) -> None:
    for name, value in hyperparams.items():
        known = _known(name, value)
        if known is None:
            continue
        number = as_computed(known)
        if not (np.isfinite(number) and ok(number)):
            shown = f"{known} at step 0" if callable(value) else f"{value}"
            if np.isfinite(known) and ok(known):
                shown += f", which is {number} in {jnp.result_type(float)}"
            raise ValueError(f"`{name}` must be {condition}, got {shown}. {remedy}")


def as_computed(numbers: Any) -> np.ndarray:
    """Numbers as they are computed with: 1 - 1e-9 is 1, 1e39 is infinite and 1e-50 is 0."""
    dtype = jnp.result_type(float)
    with np.errstate(over="ignore"):
        numbers = np.asarray(numbers, dtype)
    return np.where(np.abs(numbers) < np.finfo(dtype).tiny, 0, numbers).astype(float)


def check_rate(**hyperparams: Any) -> None:
    """Step sizes and learning rates: warm-up schedules begin at 0, where nothing moves."""
    remedy = "Pass a number above 0, or a schedule that is never negative; 0 rests."
    _check("finite and not negative", remedy, lambda x: x >= 0, hyperparams)


def check_positive(**hyperparams: Any) -> None:
    """Masses, widths and curvatures."""
    remedy = "Pass a number above 0, or a schedule that stays above 0."
    _check("finite and positive", remedy, lambda x: x > 0, hyperparams)


def check_nonnegative(**hyperparams: Any) -> None:
    """Temperatures, frictions and noise amplitudes."""
    remedy = "Pass 0 to switch it off, or a number above 0."
    _check("finite and not negative", remedy, lambda x: x >= 0, hyperparams)


def check_number(**hyperparams: Any) -> None:
    """Numbers that no schedule may give."""
    for name, value in hyperparams.items():
        if callable(value):
            raise TypeError(
                f"`{name}` must be a number: it is read once, at the start, and not by a schedule."
            )


def check_finite(**hyperparams: Any) -> None:
    """Numbers of either sign, which are read once, at the start."""
    check_number(**hyperparams)
    _check("finite", "Pass a finite number.", np.isfinite, hyperparams)


def check_fraction(**hyperparams: Any) -> None:
    """Momenta and decay rates."""
    _check("at least 0 and below 1", _FRACTION, lambda x: (x >= 0) & (x < 1), hyperparams)


_FRACTION = "Pass a number in [0, 1), such as 0.9."


def check_decay(**hyperparams: Any) -> None:
    """Decays of running means: half a precision, which may be the network's, rounds 0.999 to 1."""
    for name, value in hyperparams.items():
        half = getattr(value, "dtype", None) in (jnp.bfloat16, jnp.float16)
        below = (lambda x: x <= 1) if half else (lambda x: x < 1)
        holds = lambda x, below=below: (x >= 0) & below(x)  # noqa: E731
        _check("at least 0 and below 1", _FRACTION, holds, {name: value})


def check_weight(**hyperparams: Any) -> None:
    """Weights of a new sample in a mean."""
    remedy = "Pass a number in (0, 1], such as 0.25; 1 keeps the new sample only."
    _check("above 0 and at most 1", remedy, lambda x: (x > 0) & (x <= 1), hyperparams)


def check_share(**hyperparams: Any) -> None:
    """Parts of a whole, of which both none and all are meant."""
    remedy = "Pass a number in [0, 1]."
    _check("between 0 and 1", remedy, lambda x: (x >= 0) & (x <= 1), hyperparams)


def check_integer(least: int, remedy: str, **numbers: Any) -> None:
    """Numbers of steps, cycles or bins; traced ones pass."""
    for name, value in numbers.items():
        if isinstance(value, jax.core.Tracer):
            continue
        number = np.asarray(value)
        if not np.issubdtype(number.dtype, np.integer) or number.shape or number < least:
            raise ValueError(
                f"`{name}` must be an integer of at least {least}, got {value!r}. {remedy}"
            )


def check_size(least: int, remedy: str, **numbers: Any) -> None:
    """Lengths of arrays, which must be known when the program is built."""
    for name, value in numbers.items():
        if isinstance(value, jax.core.Tracer):
            raise TypeError(
                f"`{name}` must be a Python integer, got a traced value: it is the length of an "
                "array. In `jax.jit` name it in `static_argnames`, in `optax.inject_hyperparams` "
                f'in `static_args=("{name}",)`.'
            )
    check_integer(least, remedy, **numbers)


_MOST_STEPS = 2**31 - 1  # of an int32; step counts stop there


def check_steps(least: int, remedy: str, **numbers: Any) -> None:
    """Numbers of steps: whole, as integers or as floats; traced ones pass."""
    check_number(**numbers)
    for name, value in numbers.items():
        number = _known(name, value)
        if number is not None and not (number >= least and number == np.floor(number)):
            raise ValueError(
                f"`{name}` must be a whole number of steps of at least {least}, got {value!r}. "
                f"{remedy}"
            )


def as_steps(number: Any) -> jax.Array:
    """A number of steps as int32: integers, floats and traced values; at most the largest int32.

    A float beyond the range of int32 has no defined value there (on a CPU it becomes negative), and
    a Python integer raises.
    """
    if not isinstance(number, jax.core.Tracer):
        return jnp.asarray(min(int(np.asarray(number)), _MOST_STEPS), jnp.int32)
    if jnp.issubdtype(number.dtype, jnp.floating):
        number = number.astype(jnp.float32)
        large = number >= np.float32(2**31)
        return jnp.where(large, _MOST_STEPS, jnp.where(large, 0, number).astype(jnp.int32))
    if jnp.iinfo(number.dtype).max > _MOST_STEPS:
        number = jnp.minimum(number, jnp.asarray(_MOST_STEPS, number.dtype))
    return number.astype(jnp.int32)


def known(number: jax.typing.ArrayLike) -> float | None:
    """A number as a Python float, for checks of one against another; None for a traced one."""
    return None if isinstance(number, jax.core.Tracer) else float(np.asarray(number))


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Options that are named by a string."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {list(choices)}, got {value!r}.")


def check_real(name: str, losses: Any) -> None:
    """Losses are real numbers: a complex or boolean one would be cast without a word."""
    kind = getattr(losses, "dtype", None)
    if kind is None and isinstance(losses, (bool, int, float, complex, list, tuple)):
        kind = np.asarray(losses).dtype
    if kind is not None and kind.kind in "bc":
        shape = f" of shape {np.shape(losses)}" if hasattr(losses, "shape") else f": {losses!r}"
        raise TypeError(
            f"`{name}` must be the loss, a real number, got a value of type "
            f"{type(losses).__name__}{shape} and dtype {kind}. Of a complex loss pass the real "
            "part that is descended; a truth value is no loss."
        )


def check_returned_loss(value: Any, over: str = "the examples") -> None:
    """What a user's loss returns, by `jax.eval_shape`: one real number and nothing else."""
    is_array = isinstance(value, jax.ShapeDtypeStruct)
    if not is_array or value.shape:
        shown = f"an array of shape {value.shape}" if is_array else f"a {type(value).__name__}"
        raise ValueError(
            f"`loss` must return a single number, got {shown}: average over {over}, and leave out "
            "what else it returns, for example by `lambda *args: loss(*args)[0]`."
        )
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(f"`loss` must return a real floating-point number, got {value.dtype}.")


def one_answer(name: str, answer: Any) -> jax.Array:
    """The answer of a function of the user's: one for a step, whatever the number of replicas."""
    if answer is None or jnp.size(answer) != 1:
        shown = "None" if answer is None else f"an array of shape {jnp.shape(answer)}"
        raise ValueError(
            f"`{name}` must return one bool, or 0 or 1, for all that is collected in a step, but "
            f"returned {shown}. Of several replicas take `jnp.all` or `jnp.any`, or put "
            "`replicate` around what collects."
        )
    return jnp.asarray(answer).reshape(())
