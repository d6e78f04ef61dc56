"""Moving bytes: one file a scheme."""
