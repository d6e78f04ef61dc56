"""The model: a line y = a + b x, fitted by steps down the gradient of its squared error."""

import numpy as np

STEPS, RATE = 20, 0.05


def descended(weights, x, y):
    """Return the weights after some steps with the data of one site."""
    a, b = weights
    for _ in range(STEPS):
        error = a + b * x - y
        a, b = a - RATE * 2 * error.mean(), b - RATE * 2 * (error * x).mean()
    return np.array([a, b])


def averaged(sites):
    """Return the mean of the weights of sites, each followed by its number of points."""
    table = np.array(sites)
    return np.average(table[:, :2], axis=0, weights=table[:, 2])
