"""Hooks: commands of the user that are run at events of a run, by a process beside the engine; and ready ones that send notices."""
