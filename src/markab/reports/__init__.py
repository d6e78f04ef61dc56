"""What a run looks like from outside: functions from its files to text, tables and JSON."""
