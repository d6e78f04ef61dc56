#!/usr/bin/env python3
"""Fit a line to the data of one site, from the weights of all: train.py DATA WEIGHTS OUT."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from model import descended

data, weights, out = sys.argv[1:]
x, y = np.loadtxt(data, delimiter=",", skiprows=1, unpack=True)
with open(out, "wb") as file:
    np.save(file, np.append(descended(np.load(weights)[:2], x, y), len(x)))
