"""The language of a run: records, writer, reader, the fold from records to states, lifecycle, lock, progress."""
