"""Every method compiles in seconds, whatever the shapes of the parameters.

XLA fuses the sums of a thermostat with the draws of noise. Where 64 bits are enabled, some versions
then search without end, for some shapes and not for others. A process of its own compiles the
programs of a method, and an alarm ends it: a Python timeout cannot end the compiler.
"""

import os
import signal
import subprocess
import sys

import jax
import pytest

from tests.test_architecture import REPOSITORY

LIMIT = 60  # seconds for one program; sound ones take one or two
# The compiler of newer releases is the one that has hung, and `make test-all` runs these on one.
pytestmark = [pytest.mark.slow] if jax.__version_info__ < (0, 12) else []
SHAPES = [
    [(16, 4), (8,), (3,)],
    [(16, 4), (8,), (2,)],
    [(16, 5), (8,), (3,)],
    [(20,), (10, 20), (5,)],
    [(3, 2)],
]
METHODS = {
    "langevin": "to.langevin(0.1, 1.0, friction=1.0, key=key)",
    "adaptive_langevin": "to.adaptive_langevin(0.1, 1.0, key=key)",
    "thermostats": "to.adaptive_langevin(0.1, 1.0, thermostat='tensor', key=key)",
    "covariance_controlled_langevin": "to.covariance_controlled_langevin(0.1, 1.0, key=key)",
    "santa": "to.santa(0.1, 1.0, key=key)",
    "replicate": "to.replicate(to.langevin(0.1, 1.0, friction=1.0, key=key), 3)",
}
PROGRAM = """
import signal, sys
import jax, jax.numpy as jnp
import thermo_optax as to

make, replicated, shapes = eval(sys.argv[1]), eval(sys.argv[2]), eval(sys.argv[3])
lead = (3,) if replicated else ()


def init(key, params):
    return make(key).init(params)


def update(grads, state, params):
    return make(0).update(grads, state, params)


def compile(function, *arguments):
    print("compiling", function.__name__, "for", leaves, "x64", x64, flush=True)
    signal.alarm(int(sys.argv[4]))
    jax.jit(function).lower(*arguments).compile()
    signal.alarm(0)


for x64 in (False, True):
    jax.config.update("jax_enable_x64", x64)
    # With 32 bits the first and the last: the others did no harm there.
    for leaves in shapes if x64 else shapes[::4]:
        params = {chr(97 + i): jnp.ones((*lead, *leaf)) for i, leaf in enumerate(leaves)}
        key = jax.random.key(0)
        compile(init, key, params)
    state = jax.eval_shape(init, key, params)
    compile(update, params, state, params)
"""


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="an alarm ends a compiler that hangs")
@pytest.mark.parametrize("method", METHODS)
def test_compiles_in_a_minute(method):
    arguments = [f"lambda key: {METHODS[method]}", str(method == "replicate"), repr(SHAPES)]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, str(LIMIT)],
        cwd=REPOSITORY,
        env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"},
        capture_output=True,
        text=True,
    )
    last = (run.stdout.splitlines() or [""])[-1]
    assert run.returncode != -signal.SIGALRM, f"no end within {LIMIT} s of {last}"
    assert run.returncode == 0, run.stderr[-2_000:]
