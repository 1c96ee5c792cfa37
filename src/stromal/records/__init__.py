"""What was observed: the tables of a study folder, reading, writing, refusing."""

from stromal.records.anchors import anchor_days
from stromal.records.reading import read_records
from stromal.records.tables import TABLES
from stromal.records.trial_records import About, TrialRecords
from stromal.records.writing import write_table

__all__ = ["TABLES", "About", "TrialRecords", "anchor_days", "read_records", "write_table"]
