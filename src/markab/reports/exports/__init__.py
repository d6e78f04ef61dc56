"""A run in the formats of other tools: one file a format, all of them based on `run_facts.py`."""
