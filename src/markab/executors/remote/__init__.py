"""What executors share that reach other machines."""
