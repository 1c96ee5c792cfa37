import polars as pl
import pytest

from stromal.endpoints.outcome import TimeToEvent

WORDS = {"E": "event", "C": "censored", "X": "competing"}


@pytest.fixture(scope="session")
def make_outcomes():
    """Make outcomes from days and one mark each: E event, C censored, X competing."""

    def make(days, marks, **columns):
        return TimeToEvent(
            pl.DataFrame(
                {
                    "participant_id": [f"P{i}" for i in range(len(days))],
                    "day": days,
                    "status": [WORDS[mark] for mark in marks],
                    **{name: list(values) for name, values in columns.items()},
                },
                schema_overrides={
                    "participant_id": pl.String,
                    "day": pl.Float64,
                    "status": pl.String,
                },
            )
        )

    return make
