#!/usr/bin/env python3
"""Average the weights of all sites, each by the number of its points: average.py OUT IN..."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from model import averaged

out, *inputs = sys.argv[1:]
with open(out, "wb") as file:
    np.save(file, averaged([np.load(one) for one in inputs]))
