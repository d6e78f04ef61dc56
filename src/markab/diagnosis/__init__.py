"""From facts of a run to verdicts: causes, patterns, siblings, what jobs wait for. No text for people is laid out here."""
