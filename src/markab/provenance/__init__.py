"""Plan and journal, projected into a database that can be asked with SQL."""
