"""Lines and planes through losses that are known everywhere, and directions of known norms."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.diagnostics.networks import in_batches, network, quadratic


def well(x):
    return jnp.sum(jnp.square(jnp.square(x) - 1))


def test_line_through_a_double_well():
    first, second = jnp.array([-1.0, 1.0]), jnp.array([1.0, 1.5])
    line = to.diagnostics.loss_line(well, first, second, num_points=31, start=-0.5, stop=1.5)
    t = np.linspace(-0.5, 1.5, 31)
    expected = ((2 * t - 1) ** 2 - 1) ** 2 + ((1 + t / 2) ** 2 - 1) ** 2
    np.testing.assert_allclose(line.positions, t, atol=1e-6)
    np.testing.assert_allclose(line.losses, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(line.ends, [0, 1.25**2], atol=1e-6)
    np.testing.assert_allclose(line.distance, np.sqrt(4.25), rtol=1e-6)
    between = (t >= 0) & (t <= 1)
    np.testing.assert_allclose(line.barrier, np.max((expected - 1.25**2 * t)[between]), rtol=1e-4)


@pytest.mark.parametrize("unit", [1e-25, 1e25])
def test_weights_in_any_unit(unit):
    """Squares that are no float32 would leave no direction, no distance and no noise."""
    filters = jnp.array([[3.0, 0.0], [4.0, 1.0]])
    w = unit * filters
    direction = to.diagnostics.random_direction(w, key=0)
    norms = jnp.linalg.norm(direction / unit, axis=0)
    np.testing.assert_allclose(norms, [5, 1], rtol=1e-5)
    line = to.diagnostics.loss_line(lambda x: jnp.sum(x), w, 2 * w, num_points=2)
    np.testing.assert_allclose(line.distance / unit, np.linalg.norm(filters), rtol=1e-5)

    def steepness(x):
        return jnp.sum((x / unit) ** 2)

    found = to.diagnostics.loss_under_noise(
        steepness, w, scales=[1e-1], num_draws=64, relative=True, key=0
    )
    expected = 0.01 * np.sum(np.square(filters))  # the mean square of four, four times
    assert abs(found.rise.value[0] - expected) < 5 * found.rise.error[0]


def test_losses_of_half_precision_are_averaged_in_full():
    """In bfloat16 a sum of 1000 small numbers stops to grow halfway."""

    def loss(x, batch):
        return jnp.mean(x.astype(jnp.bfloat16) * batch)

    line = to.diagnostics.loss_line(
        *(loss, jnp.ones(4), jnp.full(4, 2.0), jnp.ones((1_000, 4), jnp.bfloat16)),
        num_points=3,
        start=0.0,
        stop=1.0,
    )
    np.testing.assert_allclose(line.losses, [1.0, 1.5, 2.0], rtol=1e-4)
    np.testing.assert_allclose(line.ends, [1.0, 2.0], rtol=1e-4)


def test_a_bowl_has_no_barrier():
    loss, params, _ = quadratic(np.linspace(0.5, 2, 10))
    ends = [jax.tree.map(lambda x, s=s: x + s, params) for s in (-1.0, 2.0)]
    assert to.diagnostics.loss_line(loss, *ends, num_points=5).barrier == 0


def test_surface_through_three_solutions():
    """At (0, 0), (1, 0) and (0, 1) stand their losses, over all batches."""
    loss, params, data = network(4, 6, 3)
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    others = [unflatten(jax.random.normal(jax.random.key(seed), flat.shape)) for seed in (1, 2)]
    directions = tuple(jax.tree.map(jnp.subtract, other, params) for other in others)
    surface = to.diagnostics.loss_surface(
        loss, params, in_batches(data, 3), directions=directions, extent=(0.0, 1.5), num_points=4
    )
    np.testing.assert_allclose(surface.first, [0, 0.5, 1, 1.5], atol=1e-6)
    np.testing.assert_array_equal(surface.first, surface.second)
    found = [surface.losses[0, 0], surface.losses[2, 0], surface.losses[0, 2]]
    expected = [loss(solution, data) for solution in (params, *others)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("output_axis", [-1, 0])
def test_filters_have_the_norms_of_the_networks(output_axis):
    keys = jax.random.split(jax.random.key(0), 2)
    params = {
        "conv": {"kernel": jax.random.normal(keys[0], (3, 3, 4, 8)), "bias": jnp.ones(8)},
        "dense": {"kernel": 5 * jax.random.normal(keys[1], (8, 6)).at[:, 2].set(0)},
        "scale": jnp.float32(2),
    }
    direction = to.diagnostics.random_direction(params, output_axis=output_axis, key=1)
    for layer in ("conv", "dense"):
        filters, given = (
            np.moveaxis(np.asarray(tree[layer]["kernel"]), output_axis, 0)
            for tree in (direction, params)
        )
        norms = [np.linalg.norm(part.reshape(len(part), -1), axis=1) for part in (filters, given)]
        assert len(set(norms[1])) == len(norms[1])
        np.testing.assert_allclose(*norms, rtol=1e-5)
    np.testing.assert_array_equal(direction["conv"]["bias"], np.zeros(8))
    assert direction["scale"] == 0
    flat = np.ravel(direction["conv"]["kernel"]), np.ravel(params["conv"]["kernel"])
    assert abs(np.corrcoef(*flat)[0, 1]) < 5 / np.sqrt(flat[0].size)


def test_random_surface():
    """In a bowl of curvature 1 the rise tells the directions' lengths and their angle."""
    params = {"kernel": 3 * jnp.ones((50, 20)), "bias": jnp.zeros(20)}

    def loss(p):
        return jnp.sum((p["kernel"] - 3) ** 2) / 2 + jnp.sum(p["bias"] ** 2)

    surface = to.diagnostics.loss_surface(loss, params, num_points=3, extent=2.0, key=0)
    np.testing.assert_allclose(surface.first, [-2, 0, 2])
    assert surface.losses[1, 1] == 0
    edges = [surface.losses[0, 1], surface.losses[2, 1], surface.losses[1, 0], surface.losses[1, 2]]
    np.testing.assert_allclose(edges, 4 * 9 * 1000 / 2, rtol=1e-4)
    inner = (surface.losses[2, 2] - surface.losses[2, 0]) / (2 * 4 * 9 * 1000)
    assert 0 < abs(inner) < 5 / np.sqrt(1000)  # two directions, not one


def test_messages():
    x = jnp.ones(2)
    line, surface = to.diagnostics.loss_line, to.diagnostics.loss_surface
    with pytest.raises(ValueError, match=r"`second` must have the structure.*\(3,\)"):
        line(well, x, jnp.ones(3))
    with pytest.raises(ValueError, match="`stop` must be above `start`, got 0.0 and 1.0"):
        line(well, x, x, start=1.0, stop=0.0)
    with pytest.raises(ValueError, match="`num_points`.*got 1"):
        line(well, x, x, num_points=1)
    with pytest.raises(TypeError, match="`key` is required.*`directions`"):
        surface(well, x)
    with pytest.raises(ValueError, match=r"`directions\[1\]` must have the structure"):
        surface(well, x, directions=(x, {"x": x}))
    with pytest.raises(ValueError, match="`extent`.*got -2"):
        surface(well, x, directions=(x, x), extent=(1.0, -1.0))
    with pytest.raises(ValueError, match=r"`extent` must be one number or a pair.*\(3,\)"):
        surface(well, x, directions=(x, x), extent=(0.0, 0.5, 1.0))
    for wrong in ((x,), {"first": x, "second": x}):
        with pytest.raises(ValueError, match="`directions` must be two trees"):
            surface(well, x, directions=wrong)
    ends = ((0, 1), [0, 1], np.array([0, 1]))
    pairs = [surface(well, x, directions=(x, x), extent=e, num_points=2) for e in ends]
    for pair in pairs[1:]:
        np.testing.assert_array_equal(pair.losses, pairs[0].losses)
    with pytest.raises(ValueError, match="`num_points`.*got 1"):
        surface(well, x, num_points=1, key=0)
    with pytest.raises(ValueError, match=r"`output_axis`.*got 2 .*\(3, 3\)"):
        to.diagnostics.random_direction(jnp.ones((3, 3)), output_axis=2, key=0)
