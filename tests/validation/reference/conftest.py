import json
from functools import cache
from pathlib import Path

import polars as pl
import pytest

SHARED = Path(__file__).parents[4] / "shared"
INVENTED = Path(__file__).parent / "invented"


@cache
def read_json(name):
    path = SHARED / "reference" / name
    if not path.exists():
        pytest.skip(f"reference values {path} are not here")
    return json.loads(path.read_text())


@cache
def read_data(name):
    path = SHARED / "data" / "time_to_event" / f"{name}.csv"
    if (INVENTED / f"{name}.csv").exists():
        path = INVENTED / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"data {path} are not here")
    return pl.read_csv(path, infer_schema_length=None, null_values="NA")


@pytest.fixture(scope="session")
def reference_json():
    """Read a file of reference values by name."""
    return read_json


def read_cases():
    """Read all cases: those of late entry on invented participants, and of real data if here."""
    invented = json.loads((INVENTED / "invented.json").read_text())["cases"]
    path = SHARED / "reference" / "survival.json"
    return [*(json.loads(path.read_text())["cases"] if path.exists() else []), *invented]


@pytest.fixture(scope="session")
def reference_data():
    """Read a data set of times to an event by name."""
    return read_data
