"""Rules on blood counts: thresholds, runs of values, freedom from transfusion, the nadir."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stromal.core.units import dimension_of
from stromal.protocol.fields import Concentration, Duration, Model, Text
from stromal.protocol.timing import Analyte

__all__ = [
    "ANALYTE_UNITS",
    "BloodProduct",
    "CountRule",
    "NadirRule",
    "RunRule",
    "WithoutDrug",
    "WithoutTransfusion",
    "bound_unit",
]

BloodProduct = Literal["platelets", "red_cells", "granulocytes", "plasma"]
ANALYTE_UNITS: dict[str, str] = {
    "ANC": "10*9/L",
    "PLT": "10*9/L",
    "Hb": "g/L",
    "WBC": "10*9/L",
    "ARC": "10*9/L",
    "ALC": "10*9/L",
}
"""The unit in which each analyte is kept and compared."""


class WithoutTransfusion(Model):
    """Freedom from transfusion that a count needs.

    `before`: a value counts from day `for_` after the last transfusion on, the day of the
    transfusion being day 0 (CIBMTR: with 7 d the first evaluable day is transfusion day + 7).
    `during`: no transfusion from the first to the last day of the run. Under both, a transfusion
    between two values of a run ends the run.
    """

    product: BloodProduct
    when: Literal["before", "during", "before and during"]
    for_: Annotated[Duration | None, Field(alias="for")] = None

    @model_validator(mode="after")
    def _interval(self) -> WithoutTransfusion:
        if (self.when != "during") != (self.for_ is not None):
            raise ValueError(
                "`for` says how long before a value no transfusion was given (such as '7 d'); it "
                "is needed with `before` and has no meaning with `during` alone"
            )
        return self


class WithoutDrug(Model):
    """Freedom from a drug that a count needs: on the days of a course no count qualifies."""

    drug: Text | None = None
    drug_class: Text | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> WithoutDrug:
        if (self.drug is None) == (self.drug_class is None):
            raise ValueError("name a `drug` or a `drug_class`")
        return self

    @property
    def name(self) -> str:
        """What must not be given."""
        return self.drug or self.drug_class or ""


class CountRule(Model):
    """A count compared with one or two bounds, and the freedom from transfusion it needs."""

    analyte: Analyte
    above: Concentration | None = None
    at_least: Concentration | None = None
    below: Concentration | None = None
    at_most: Concentration | None = None
    without_transfusion: WithoutTransfusion | None = None
    without_drug: WithoutDrug | None = None

    @property
    def asked_table(self) -> str | None:
        """The table in which the freedom that the count needs is looked up; None without one."""
        if self.without_transfusion is not None:
            return "transfusions"
        return None if self.without_drug is None else "medications"

    @model_validator(mode="after")
    def _one_freedom(self) -> CountRule:
        if self.without_transfusion is not None and self.without_drug is not None:
            raise ValueError("a count asks for freedom from transfusion or from a drug, not both")
        return self

    @model_validator(mode="after")
    def _bounds(self) -> CountRule:
        bounds = [self.above, self.at_least, self.below, self.at_most]
        if all(bound is None for bound in bounds):
            raise ValueError("a count is compared with `above`, `at_least`, `below` or `at_most`")
        if (self.above and self.at_least) or (self.below and self.at_most):
            raise ValueError("a count has at most one lower and one upper bound")
        expected = ANALYTE_UNITS[self.analyte]
        for bound in bounds:
            if bound is not None:
                bound_unit(bound.unit, expected, self.analyte)
        return self

    def in_unit(self, name: Literal["above", "at_least", "below", "at_most"]) -> float | None:
        """Give one bound in the unit of the analyte, or None."""
        bound = getattr(self, name)
        return None if bound is None else bound.to(ANALYTE_UNITS[self.analyte])

    @property
    def rises(self) -> bool:
        """Whether the rule asks for a count that is high enough."""
        return self.above is not None or self.at_least is not None


def bound_unit(unit: str, expected: str, analyte: str) -> None:
    """Refuse a unit that does not belong to the analyte."""
    if dimension_of(unit) != dimension_of(expected):
        raise ValueError(
            f"{analyte} is compared in {expected} or a unit that converts into it; got '{unit}'"
        )


class RunRule(Model):
    """How many values in a row are needed.

    `run: 3, of: consecutive days` needs a value on each of 3 successive days. `run: 3, of: values
    on different days` needs 3 successive values, however far apart unless `largest_gap` (days
    between successive values) forbids it. `lasting: 14 d` needs successive values from a first to
    a last one at least 14 days later.
    """

    run: Annotated[int | None, Field(ge=1, le=3660)] = None
    of: Literal["consecutive days", "values on different days"] | None = None
    lasting: Duration | None = None
    largest_gap: Duration | Literal["none"] | None = None

    @model_validator(mode="after")
    def _complete(self) -> RunRule:
        if (self.run is None) == (self.lasting is None):
            raise ValueError("a run is given by `run` and `of`, or by `lasting`")
        if (self.run is None) != (self.of is None):
            raise ValueError(
                "`run` says of what: `of: consecutive days` or `of: values on different days`"
            )
        by_days = self.of == "consecutive days"
        if by_days == (self.largest_gap is not None):
            raise ValueError(
                "`largest_gap` (a time, or 'none') is chosen for values on different days and for "
                "`lasting`; consecutive days have no gap"
            )
        return self

    @property
    def values(self) -> int:
        """Smallest number of values in a run."""
        return self.run if self.run is not None else 2

    @property
    def span(self) -> int:
        """Smallest number of days from the first to the last value of a run."""
        return int(self.lasting) if self.lasting is not None else self.values - 1

    @property
    def gap(self) -> int:
        """Largest number of days between successive values; 0 where there is no limit."""
        if self.of == "consecutive days":
            return 1
        return 0 if self.largest_gap in {None, "none"} else int(self.largest_gap or 0)


class NadirRule(Model):
    """Until when, from the anchor, the nadir (the last of the lowest counts) is looked for."""

    nadir_within: Duration
