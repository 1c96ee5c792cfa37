"""Designs tried out before the first participant: virtual trials and what they would show."""
