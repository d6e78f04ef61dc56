"""What goes beyond reporting a run: explaining its failures with evidence and next steps, and what its waiting jobs lack. Rules are in `diagnosis/`."""
