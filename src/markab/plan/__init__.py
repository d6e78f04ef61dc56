"""The executable workflow, and the submit directory that holds it."""
