"""Abstract workflow to executable workflow: one pass a file; `passes.py` is the table of contents."""
