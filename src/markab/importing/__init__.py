"""Workflows of other systems, converted: CWL, shell scripts, Makefiles, Snakefiles."""
