"""What is measured, checked and taken apart; and where its chains run."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from thermo_optax._base import (
    at,
    check_finite,
    check_integer,
    check_leaves,
    check_nonnegative,
    check_not_empty,
    check_positive,
    hashable,
    rows_at,
    tree_size,
)
from thermo_optax._noise import KeyLike, stream_key
from thermo_optax._xla import explicit_sharding
from thermo_optax.integrators import langevin, leimkuhler_matthews

from ._around import TURN, Center, Numbers, Plan, Rows, Traces
from ._chains import AXIS, center_of, run_chains
from ._functions import check_functions, checked_loss
from ._parts import Joined, rows_of, split

DAMPING = 0.05  # friction times step of the default sampler: inertia crosses flat valleys
ROWS = "rows"  # axis of the mesh of devices
# Weights from which chains make their steps one after another. An accelerator is not busy with one
# chain of a small network, and has memory for all; it does so where memory may be short.
LARGE, LARGE_ON_ACCELERATORS = 100_000, 100_000_000


class Task(NamedTuple):
    """Trained weights, or several of them, and how they are measured."""

    plan: Plan
    moving: list[jax.Array]  # free arrays, with an axis for several weights in front
    frozen: list[jax.Array]
    num_rows: int
    num_chains: int
    num_weights: int  # of one of them
    num_examples: int
    keys: jax.Array  # key[num_rows, num_chains]
    devices: Sequence[Any] | None
    rounding: float = float(np.finfo(np.float32).eps)  # relative, of the loss


def task_of(
    loss: Callable[..., jax.Array],
    params: Any,
    *,
    num_examples: int,
    key: KeyLike,
    batches: Callable[[jax.Array], Any] | None,
    sampler: Callable[..., Any] | None,
    free: Any,
    num_chains: int,
    num_steps: int,
    num_burn_in: int,
    num_center_batches: int,
    devices: Sequence[Any] | None,
    num_rows: int = 1,
    stacked: bool = False,
) -> Task:
    """Checks the arguments that all measurements share; `stacked` params have an axis in front."""
    check_integer(2, "One chain cannot show that it is stuck.", num_chains=num_chains)
    check_integer(100, "The error needs a trace.", num_steps=num_steps)
    check_integer(1, "The curvature is measured there.", num_burn_in=num_burn_in)
    check_integer(1, "Pass the batches of an epoch.", num_center_batches=num_center_batches)
    check_functions(loss=loss, batches=batches, sampler=sampler)
    # An array among the settings of a program would have no hash.
    num_chains, num_steps, num_burn_in = map(int, (num_chains, num_steps, num_burn_in))
    num_center_batches = int(num_center_batches)
    check_leaves("params", params)
    check_not_empty("params", params)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(params)):
        raise TypeError(
            "`params` are traced, but a learning coefficient is measured by a program of its own, "
            "whose results are looked at. Call it outside of `jax.jit` and `jax.vmap`; several "
            "checkpoints at once are for `learning_coefficients`."
        )
    devices = None if devices is None else list(np.ravel(np.asarray(devices, object)))
    if devices is not None and not devices:
        raise ValueError("`devices` is empty: pass some of jax.devices(), or None.")
    if stacked:
        num_rows = rows_of(params)
    moving, frozen, together = split(params, free)
    batches = None if batches is None else hashable(batches)
    joined = Joined(hashable(loss), together, batches is not None)
    usual = _inertial if batches is None else _overdamped
    plan = Plan(
        loss=joined,
        batches=batches,
        sampler=usual if sampler is None else hashable(sampler),
        num_steps=num_steps,
        num_burn_in=num_burn_in,
        num_center_batches=num_center_batches,
    )
    first = (lambda x: rows_at(x, jnp.int32(0))) if stacked else (lambda x: x)
    one, still = (jax.eval_shape(lambda tree: [*map(first, tree)], x) for x in (moving, frozen))
    rounding = checked_loss(joined, batches, one, still)
    words = stream_key(key, "learning_coefficient", ())
    key = jax.random.wrap_key_data(words, impl="threefry2x32")
    keys = jax.random.split(key, num_rows * num_chains).reshape(num_rows, num_chains)
    size, seen = tree_size(one), int(num_examples)
    chains = (num_rows, num_chains, size, seen)
    return Task(plan, moving, frozen, *chains, keys, devices, rounding)


def temperature_of(num_examples: int, temperature: float | None) -> float:
    """The set temperature, or ln(n) / n."""
    two = "A learning coefficient is measured at the temperature ln(n) / n of n examples."
    check_integer(2, two, num_examples=num_examples)
    heat = math.log(num_examples) / num_examples if temperature is None else temperature
    check_finite(temperature=heat)
    check_positive(temperature=heat)
    return float(heat)


def check_numbers(precision: Any, step_size: Any) -> None:
    """Those of the tether and of the sampler, which no schedule changes."""
    check_finite(precision=precision)
    check_nonnegative(precision=precision)
    if step_size is not None:
        check_finite(step_size=step_size)
        check_positive(step_size=step_size)


def numbers_of(temperature: float, precision: float, step_size: float | None) -> Numbers:
    """Those of all rows, checked; without a step size the curvature chooses it."""
    check_numbers(precision, step_size)
    return Numbers(*(at(x, 0) for x in (temperature, precision, step_size or 0.0, TURN)))


def measured(task: Task, rows: Rows, numbers: Numbers, looks: bool) -> tuple[Center, Traces]:
    """The centre and the traces of all chains, spread over the devices that there are."""
    mesh = _mesh(task)
    plan = task.plan._replace(lanes=lanes_of(task, mesh))
    if mesh is None:
        _check_axes(task, plan.lanes, rows)
    put = functools.partial(_put, mesh)
    by_row = PartitionSpec(ROWS)
    of_center = by_row if rows == "centers" else PartitionSpec()
    moving, frozen = task.moving, task.frozen
    if rows == "centers":
        moving, frozen = put((moving, frozen), of_center)
        center = _centers_of(plan, moving, frozen)
    else:
        center = center_of(plan, moving, frozen)
    base = np.asarray(center.loss)
    if not np.all(np.isfinite(base)):
        place = "" if rows != "centers" else f" of checkpoint {int(np.argmin(np.isfinite(base)))}"
        raise ValueError(
            f"`loss` must be finite at `params`, got {base[~np.isfinite(base)][0]}{place}. Pass "
            "trained parameters, and check the loss there."
        )
    if not np.all(np.isfinite(np.asarray(center.gradient_norm))):
        raise ValueError(
            "`loss` must have a finite gradient at `params`, but its norm is "
            f"{np.asarray(center.gradient_norm)}. A square root of 0, or a norm at 0, has none."
        )
    if plan.batches is None or not np.any(np.asarray(center.gradient_norm)):
        center = center._replace(gradient=None)  # a copy of the parameters less
    center, frozen = put((center, frozen), of_center)
    numbers = put(numbers, by_row if rows == "numbers" else PartitionSpec())
    keys = task.keys[0] if rows == "one" else task.keys
    keys = put(keys, PartitionSpec(AXIS) if rows == "one" else PartitionSpec(ROWS, AXIS))
    traces = run_chains(
        plan, rows, center, frozen, numbers, put(jnp.asarray(looks), PartitionSpec()), keys
    )
    return center, traces


@functools.partial(jax.jit, static_argnums=0)
def _centers_of(plan: Plan, moving: Any, frozen: Any) -> Center:
    return jax.vmap(functools.partial(center_of, plan))(moving, frozen)


def _mesh(task: Task) -> Mesh | None:
    """Devices by rows and chains: as many as divide both; None where one device does it all."""
    devices = task.devices
    if devices is None:
        arrays = (*task.moving, *task.frozen)
        # Someone may have said where they shall lie.
        if jax.device_count() == 1 or any(array.committed for array in arrays):
            return None
        (place,) = arrays[0].devices()
        devices = jax.local_devices(backend=place.platform)
    across = _divisor(task.num_chains, len(devices))
    down = _divisor(task.num_rows, len(devices) // across)
    if down * across == 1 and task.devices is None:
        return None
    return Mesh(np.array(devices[: down * across]).reshape(down, across), (ROWS, AXIS))


def lanes_of(task: Task, mesh: Mesh | None) -> int:
    """Chains that make a step at once: one on each device if they are large, else all (0)."""
    places = task.moving[0].devices() if mesh is None else mesh.devices.flat
    on_cpu = all(place.platform == "cpu" for place in places)
    if task.num_weights < (LARGE if on_cpu else LARGE_ON_ACCELERATORS):
        return 0
    return 1 if mesh is None else mesh.shape[AXIS]


def _check_axes(task: Task, lanes: int, rows: Rows) -> None:
    """Raises for explicit axes where the program does not say how its own axes lie on them."""
    split = [explicit_sharding(x) for x in (*task.moving, *task.frozen)]
    split = [place for place in split if place is not None]
    if lanes and split:
        said = f"chains of {task.num_weights:,} weights take turns, which works on Auto axes only"
    elif rows == "centers" and any(place.spec[0] is not None for place in split):
        said = "checkpoints may be split over Auto axes only"
    else:
        return
    raise ValueError(
        f"`params` lie on the explicit axes {split[0].mesh.axis_names} of a mesh, but {said}. Make "
        "that mesh with `axis_types=(jax.sharding.AxisType.Auto,) * len(axis_names)`, and put "
        "`params` there by `jax.device_put`."
    )


def _divisor(number: int, most: int) -> int:
    return max(d for d in range(1, max(most, 1) + 1) if number % d == 0)


def _put(mesh: Mesh | None, tree: Any, spec: PartitionSpec) -> Any:
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, spec))


def _inertial(step_size, temperature, key):
    return langevin(step_size, temperature, friction=DAMPING / step_size, key=key)


def _overdamped(step_size, temperature, key):
    return leimkuhler_matthews(jnp.square(step_size) / 2, temperature, key=key)
