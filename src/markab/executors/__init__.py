"""Executors, the places that run jobs: the protocol in `base.py`, one file per back end."""
