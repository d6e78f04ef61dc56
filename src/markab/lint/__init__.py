"""Checks of a workflow, its catalogs and its programs that need no plan: what is not wrong, and most likely not meant."""
