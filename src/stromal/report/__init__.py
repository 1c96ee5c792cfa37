"""How results are shown: timelines, figures, tables and documents."""
