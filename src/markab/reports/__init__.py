"""Reports of a run: functions from its files to text, tables and JSON."""
