"""What a gradient of networks costs in JAX, beside this engine and a loop by hand.

    python -m pip install jax
    python benches/meta/beside_jax.py [TASKS]

Value and gradient of the log likelihood of a 1-40-40-1 network in each task with ten points of a sine, in 64-bit numbers, compiled by XLA:
on one thread and on two, in a process of its own for each. Around it runs `cargo bench --bench meta -- --speed TASKS`, so that all
figures are of the same state of the machine. Printed are medians of nine runs after a first one, in nanoseconds a row.
"""

import os
import subprocess
import sys
import time

H, POINTS, REPEATS = 40, 10, 9


def measured(tasks):
    """Prints processor time and wall time a row of this process's threads."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(1)

    def draw(*shape):
        return jnp.asarray(0.3 * rng.standard_normal((tasks, *shape)))

    weights = (draw(H), draw(H), draw(H, H), draw(H), draw(H), draw())
    x = jnp.asarray(rng.uniform(-5, 5, (tasks, POINTS)))
    y = jnp.sin(x) + 0.3 * jnp.asarray(rng.standard_normal((tasks, POINTS)))

    def log_likelihood(weights, log_sd, x, y):
        w1, b1, w2, b2, w3, b3 = weights
        first = jnp.tanh(x[:, None] * w1 + b1)
        second = jnp.tanh(first @ w2.T + b2)
        residual = (y - second @ w3 - b3) * jnp.exp(-log_sd)
        return jnp.sum(-0.5 * residual**2 - log_sd - 0.5 * jnp.log(2 * jnp.pi))

    def total(weights, log_sd):
        return jnp.sum(jax.vmap(log_likelihood, (0, None, 0, 0))(weights, log_sd, x, y))

    gradient = jax.jit(jax.value_and_grad(total, (0, 1)))
    jax.block_until_ready(gradient(weights, 0.1))
    processor, wall = [], []
    for _ in range(REPEATS):
        start = time.process_time(), time.perf_counter()
        jax.block_until_ready(gradient(weights, 0.1))
        processor.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    a_row = [1e9 * sorted(times)[REPEATS // 2] / (tasks * POINTS) for times in (processor, wall)]
    print(f"JAX {jax.__version__}: {a_row[0]:.0f} ns a row of processor time, {a_row[1]:.0f} of wall time")


def threads(tasks, count):
    """Measures in a process of so many threads."""
    flags = f"--xla_cpu_multi_thread_eigen={'false' if count == 1 else 'true'} intra_op_parallelism_threads={count}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": str(count)}
    cores = sorted(os.sched_getaffinity(0))[:count]
    print(f"{count} thread{'s' if count > 1 else ''}: ", end="", flush=True)
    subprocess.run(
        [sys.executable, __file__, "--measure", str(tasks)],
        env=environment,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def engine(tasks):
    command = ["cargo", "bench", "--quiet", "--bench", "meta", "--", "--speed", str(tasks)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measured(int(sys.argv[2]))
    else:
        tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
        engine(tasks)
        threads(tasks, 1)
        threads(tasks, 2)
        engine(tasks)
