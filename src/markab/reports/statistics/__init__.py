"""Statistics of a run."""
