"""The law of adaptive Langevin dynamics in a harmonic well, for many coordinates.

With many coordinates and a weak coupling the friction xi hardly moves, and each step is linear.
Then xi is the number at which the momenta, as the thermostat reads them, have temperature T, and
the covariance of (x, p) solves a discrete Lyapunov equation. Nothing here is of the package.
"""

import numpy as np

from tests.physics import oracle

# The word of each splitting from where the gradient is taken, E where the thermostat reads p.p.
WORDS = {
    "ACDEDCAB": "BACDEDCA",
    "BADODAB": "BAEOEA",
    "SGNHT": "CBDAE",
}


def mean_field(splitting, h, xi, sigma, noise, k):
    """Covariance of (x, p) where the gradient is taken, and E[p^2] at the thermostat."""
    word = WORDS[splitting]
    matrix, covariance = np.eye(2), np.zeros((2, 2))
    readings = []
    for letter in word:
        share = h / word.count(letter)
        m, q = _flow(letter, share, xi, sigma, noise, k)
        matrix, covariance = m @ matrix, m @ covariance @ m.T + q
        if letter == "E":
            readings.append((matrix, covariance))
    law = oracle.stationary(matrix, covariance)
    at_thermostat = np.mean([(m @ law @ m.T + q)[1, 1] for m, q in readings])
    return law, at_thermostat


def _flow(letter, time, xi, sigma, noise, k):
    none = np.zeros((2, 2))
    if letter == "A":
        return np.array([[1, time], [0, 1]]), none
    if letter == "B":
        return np.array([[1, 0], [-time * k, 1]]), np.diag([0, (time * noise) ** 2])
    if letter == "C":
        return np.diag([1, np.exp(-time * xi)]), none
    if letter == "D":
        return np.eye(2), np.diag([0, sigma**2 * time])
    if letter == "O":
        damped = -np.expm1(-2 * xi * time) / (2 * xi)
        return np.diag([1, np.exp(-time * xi)]), np.diag([0, sigma**2 * damped])
    return np.eye(2), none


def equilibrium(splitting, h, temperature, sigma, noise, k=1.0):
    """(xi, covariance of (x, p)): the friction at which the thermostat rests."""
    xi, (law,) = shared_equilibrium(splitting, h, temperature, sigma, [(noise, k)])
    return xi, law


def shared_equilibrium(splitting, h, temperature, sigma, kinds):
    """(xi, covariances) of coordinates of several (noise, k), equally many, with one thermostat."""

    def found(xi):
        return zip(*(mean_field(splitting, h, xi, sigma, *kind) for kind in kinds), strict=True)

    low, high = 1e-6, 2 / h
    for _ in range(100):  # bisection: more friction, colder momenta
        middle = (low + high) / 2
        _, readings = found(middle)
        low, high = (middle, high) if np.mean(readings) > temperature else (low, middle)
    laws, _ = found(low)
    return low, laws
