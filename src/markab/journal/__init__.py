"""The journal of a run and its state: records, writer, reader, the fold from records to states, lifecycle, lock, progress."""
