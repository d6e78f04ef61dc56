"""Reports on runs that Pegasus itself made, from its own files and database."""
