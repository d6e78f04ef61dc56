"""What executors for other machines share."""
