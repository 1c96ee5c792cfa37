"""Executable protocols for cell-therapy trials in haematology.

Research software: not for decisions about a person's care.
"""

__version__ = "0.1.0"
