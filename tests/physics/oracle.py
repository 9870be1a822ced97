"""The exact law of a linear splitting in a harmonic well, written without the package.

In the well L = k x^2 / 2 each elementary flow multiplies v = (x, p) by a matrix and adds normal
noise, and so does a word over them: v' = M v + noise of covariance Q. The stationary covariance S
solves the discrete Lyapunov equation S = M S M^T + Q, here as a linear system of four unknowns.
"""

import numpy as np


def flow(letter, time, k, friction, mass, temperature):
    """(M, Q) of one flow; an infinite friction is allowed."""
    none = np.zeros((2, 2))
    if letter == "A":
        return np.array([[1, time / mass], [0, 1]]), none
    if letter == "B":
        return np.array([[1, 0], [-time * k, 1]]), none
    decay = np.exp(-friction * time)
    if letter == "U":
        u, both = friction * time, temperature / friction * (1 - decay) ** 2
        path = temperature / mass / friction**2 * (2 * u - 3 + 4 * decay - decay**2)
        heat = mass * temperature * (1 - decay**2)
        drift = (1 - decay) / friction / mass
        return np.array([[1, drift], [0, decay]]), np.array([[path, both], [both, heat]])
    return np.diag([1, decay]), np.diag([0, mass * temperature * (1 - decay**2)])


def compose(steps):
    """(M, Q) of flows that run one after the other."""
    matrix, noise = np.eye(2), np.zeros((2, 2))
    for m, q in steps:
        matrix, noise = m @ matrix, m @ noise @ m.T + q
    return matrix, noise


def from_gradient(word):
    """The word, rotated to start with the first of the kicks that share a gradient."""
    for start in range(len(word)):
        turned = word[start:] + word[:start]
        if turned[0] == "B" and turned.replace("O", "")[-1] in "AU":
            return turned
    raise ValueError(word)


def propagator(word, h, k=1.0, friction=1.0, mass=1.0, temperature=1.0):
    """(M, Q) of one step of a word, seen where the gradient is taken, before its first kick."""
    share = {letter: h / word.count(letter) for letter in word}
    args = (k, friction, mass, temperature)
    return compose(flow(letter, share[letter], *args) for letter in from_gradient(word))


def sghmc_propagator(learning_rate, momentum, k=1.0, temperature=1.0):
    """(M, Q) of p <- mu p - h k x + sqrt(2 (1 - mu) T) z, x <- x + h p."""
    h = np.sqrt(learning_rate)
    kick = np.array([[1, 0], [-h * k, momentum]])
    heat = np.diag([0, 2 * (1 - momentum) * temperature])
    return compose([(kick, heat), (np.array([[1, h], [0, 1]]), np.zeros((2, 2)))])


def stationary(matrix, noise):
    """The covariance S = M S M^T + Q."""
    system = np.eye(4) - np.kron(matrix, matrix)
    return np.linalg.solve(system, noise.ravel()).reshape(2, 2)


def covariance(word, h, k=1.0, friction=1.0, mass=1.0, temperature=1.0):
    """The stationary covariance of (x, p) under a word."""
    return stationary(*propagator(word, h, k, friction, mass, temperature))


def memory(matrix, steps):
    """How much of the start is left after that many steps: bounds the norm of M^steps."""
    return np.linalg.norm(np.linalg.matrix_power(matrix, steps), 2)
