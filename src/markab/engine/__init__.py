"""Plan to run: decide, start, wait, write down."""
