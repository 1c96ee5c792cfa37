"""What the records mean: endpoints derived from counts, events and assessments."""
