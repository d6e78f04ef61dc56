"""What a run took, in numbers."""
