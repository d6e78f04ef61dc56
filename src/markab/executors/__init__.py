"""Places that run jobs: the protocol in `base.py`, one file a back end."""
