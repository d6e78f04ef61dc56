"""A run in formats that others read: one file a format, all of them fed by `facts.py`."""
