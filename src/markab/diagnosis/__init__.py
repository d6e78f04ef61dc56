"""The diagnosis of a run: causes of failures, known error messages, siblings, why jobs wait. No text is laid out here."""
