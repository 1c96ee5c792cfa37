"""Products, doses, schedules and background drugs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stromal.core import Finding, Quantity, UnitError, parse_quantity
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import in_words, level, listed
from stromal.protocol.treatment import (
    BackgroundDrug,
    InfusionPlan,
    PerKilogramDose,
    Product,
    RangeDose,
)

__all__ = ["check_treatment"]

_TISSUES = {
    "cord blood": r"cord[ -]blood",
    "umbilical cord": r"umbilical[ -]cord(?![ -]blood)|wharton|(?<![\w-])uc-?msc",
    "bone marrow": r"(?:bone[ -])?marrow|(?<![\w-])bm-?msc",
    "adipose": r"adipose|fat tissue|lipoaspirate",
    "placenta": r"placenta|amnio|decidua",
}
_ESCALATION = re.compile(r"maxim(?:um|al|ally)[ -]tolerated|\bmtd\b")
_PRINTED_UNIT = re.compile(r"(?<![\w.])([kmunµμ]?g)\s*/\s*(dl|ml|l|ul|µl)(?!\w)", re.IGNORECASE)
_DAILY_DOSE = re.compile(r"(\d+(?:[.,]\d+)?)\s*(mg|ug|µg|g)\s*/\s*kg", re.IGNORECASE)
_MANY_DOSES = 10
_BLOOD_L_PER_KG = 0.07
"""Volume of blood in litres per kg of body weight, about; for an order of magnitude only."""


def check_treatment(view: View) -> Iterator[Finding]:
    """Check products, doses and schedules.

    1. `product-tissue-differs`, `product-tissue-not-stated`: the product as written against its
       tissue.
    2. `phase-4-not-marketed`: phase 4 with a product that is not, or not known to be, marketed.
    3. `maximum-tolerated-dose`: a text speaks of it in a trial without dose cohorts.
    4. `window-not-stated`, `window-reversed`, `window-without-planned-day`, `windows-overlap`,
       for infusions and visits.
    5. `interval-not-stated`, `weight-not-stated`, `range-reversed`.
    6. `trough-unit-differs`, `trough-implausible`: a drug level as printed against its unit, and
       against the dose.
    7. `background-confounds`: an uncontrolled trial beside conventional treatment.
    8. `infusion-before-condition`: cells are planned before the condition can be diagnosed.
    """
    for name, product in view.protocol.products.items():
        yield from _tissue(name, product)
    yield from _marketed(view)
    yield from _escalation(view)
    for arm_name, arm in view.protocol.arms.items():
        for index, plan in enumerate(arm.infuse):
            yield from _plan(view, f"arms.{arm_name}.infuse.{index}", plan)
        for index, drug in enumerate(arm.background):
            if drug.trough is not None:
                yield from _trough(f"arms.{arm_name}.background.{index}.trough", drug)
    yield from _visits(view)
    yield from _background(view)
    yield from _before_condition(view)


def _tissue(name: str, product: Product) -> Iterator[Finding]:
    """Compare a product as written with its tissue."""
    said = level(product.as_written or "")
    named = [tissue for tissue, pattern in _TISSUES.items() if re.search(pattern, said)]
    if not named or product.tissue in named or product.placebo:
        return
    if product.tissue == "not stated":
        yield Finding(
            "product-tissue-not-stated",
            "gap",
            f"products.{name}.tissue",
            f'The product is written "{product.as_written}", but its tissue is not stated.',
            "Cells of different tissues are different products.",
            f"State the tissue; the text says {listed(named)}.",
        )
        return
    yield Finding(
        "product-tissue-differs",
        "contradiction",
        f"products.{name}.as_written",
        f'The product is written "{product.as_written}" ({listed(named)}), but its tissue is given '
        f"as {product.tissue}.",
        "Cells of cord blood and of the cord's tissue, or of other tissues, are different products "
        "with different yields and permissions.",
        "Find out from the manufacturer which it is, and correct the other.",
    )


def _marketed(view: View) -> Iterator[Finding]:
    """Find a phase 4 trial whose product is not known to be marketed."""
    if view.protocol.study.phase != "4":
        return
    products = {n: p for n, p in view.protocol.products.items() if not p.placebo}
    for name, product in products.items():
        if product.marketed == "yes":
            continue
        state = "is not marketed" if product.marketed == "no" else "is not known to be marketed"
        yield Finding(
            "phase-4-not-marketed",
            "contradiction" if product.marketed == "no" else "gap",
            "study.phase",
            f"The trial is called phase 4, but its product {name} ({product.cells}) {state}.",
            "Phase 4 follows authorisation; for an unauthorised product the rules for monitoring "
            "and reporting are stricter.",
            "State the authorisation, or correct the phase.",
        )


def _texts(part: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Walk through all texts of a protocol with their places."""
    if isinstance(part, dict):
        for key, value in part.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(value, f"{path}.{key}" if path else str(key))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(part, list):
        for index, value in enumerate(part):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _texts(value, f"{path}.{index}")
    elif isinstance(part, str):
        yield path, part


def _escalation(view: View) -> Iterator[Finding]:
    """Find texts that speak of a maximum tolerated dose in a trial without dose cohorts."""
    if view.protocol.design.kind == "dose cohorts":
        return
    data = view.protocol.model_dump(mode="json", by_alias=True, exclude_none=True)
    for where, text in _texts(data, ""):
        if where.split(".")[0] == "assumptions" or ".sources." in where:
            continue
        if _ESCALATION.search(text.lower()) is not None:
            yield Finding(
                "maximum-tolerated-dose",
                "contradiction",
                where,
                f'The text speaks of a maximum tolerated dose ("{text}"), but the trial has no '
                "dose cohorts: the planned dose does not change.",
                "The condition can never be met, so the definition that contains it cannot be "
                "applied; the wording seems to come from another trial.",
                "Write the definition for the planned dose.",
            )


def _plan(view: View, where: str, plan: InfusionPlan) -> Iterator[Finding]:
    """Look at one plan of infusions."""
    product = view.protocol.products[plan.product]
    if isinstance(plan.dose, PerKilogramDose) and plan.dose.weight == "not stated":
        yield Finding(
            "weight-not-stated", "remark", f"{where}.dose.weight",
            f"The dose of {plan.product} is per kg, and it is not stated of which weight.",
            "Weight changes by several kilograms during treatment, and the delivered dose per kg "
            "with it.",
            "State whether it is the weight at screening or at each infusion.",
        )  # fmt: skip
    if isinstance(plan.dose, RangeDose):
        low, high = plan.dose.range_per_kg
        if low.to(high.unit) > high.value:
            yield _reversed(f"{where}.dose.range_per_kg", f"{low}", f"{high}")
    if plan.every == "not stated" and plan.times != 1:
        yield Finding(
            "interval-not-stated", "gap", f"{where}.every",
            f"The interval between the infusions of {plan.product} is not stated.",
            "Nobody can say which infusion is due, late or missed.",
            "State the interval, such as `every: 7 d`.",
        )  # fmt: skip
    if plan.times == "not stated" and not product.placebo:
        yield Finding(
            "number-not-stated", "gap", f"{where}.times",
            f"The number of infusions of {plan.product} is not stated.",
            "Exposure cannot be compared with the plan.",
            "State the number, or bounds for it.",
        )  # fmt: skip
    if plan.window == "not stated":
        yield Finding(
            "window-not-stated", "gap", f"{where}.window",
            f"It is not stated how early or late an infusion of {plan.product} may be given.",
            "Nobody can tell a late infusion from one on time, or a deviation from the plan.",
            "State the window, such as `window: [-1 d, +2 d]`.",
        )  # fmt: skip
        return
    low, high = int(plan.window[0]), int(plan.window[1])
    yield from _window(f"{where}.window", low, high)
    if isinstance(plan.every, int) and plan.times != 1 and low <= high and high - low >= plan.every:
        yield Finding(
            "windows-overlap",
            "gap",
            f"{where}.window",
            f"The infusions of {plan.product} are {in_words(int(plan.every))} apart, and the "
            f"window of each is {in_words(high - low + 1)} wide: the windows of successive "
            "infusions overlap.",
            "An infusion in the overlap may be a late one or an early one; a missed infusion "
            "cannot be told.",
            "Narrow the window or lengthen the interval.",
        )


def _window(where: str, low: int, high: int) -> Iterator[Finding]:
    """Look at one window around a planned day."""
    if low > high:
        yield _reversed(where, f"{low} days", f"{high} days")
    elif low > 0 or high < 0:
        yield Finding(
            "window-without-planned-day",
            "contradiction",
            where,
            f"The window from {low} to {high} days around the planned day does not contain the "
            "planned day itself.",
            "What is done exactly as planned counts as too early or too late.",
            "Write the window around 0, such as [-1 d, +2 d].",
        )


def _reversed(where: str, low: str, high: str) -> Finding:
    """Say that a range ends before it begins."""
    return Finding(
        "range-reversed",
        "contradiction",
        where,
        f"The range begins at {low} and ends below that, at {high}.",
        "Nothing lies in it.",
        "Write the smaller number first.",
    )


def _visits(view: View) -> Iterator[Finding]:
    """Look at the windows of visits, and of assessments at a fixed time."""
    unstated: list[str] = []
    for index, visit in enumerate(view.protocol.visits):
        if isinstance(visit.window, str):
            unstated.append(f"visit {visit.id}")
        else:
            low, high = visit.window
            yield from _window(f"visits.{index}.window", int(low), int(high))
    for name, endpoint in view.protocol.endpoints.items():
        window = getattr(getattr(endpoint, "assessed", None), "visit_window", None)
        if window == "not stated":
            yield Finding(
                "window-not-stated", "gap", f"endpoints.{name}.assessed.visit_window",
                f"It is not stated how far from the planned day the assessment of {name} may be.",
                "Which counts are read, and who is missing, depends on it.",
                "State the window, such as `visit_window: [-3 d, +3 d]`.",
            )  # fmt: skip
        elif window is not None:
            low, high = int(window[0]), int(window[1])
            yield from _window(f"endpoints.{name}.assessed.visit_window", low, high)
    if unstated:
        yield Finding(
            "window-not-stated", "gap", "visits",
            f"No window is stated for {listed(unstated)}.",
            "A visit that is a few days late cannot be told from a missed one.",
            "State a window for each visit.",
        )  # fmt: skip


def _trough(where: str, drug: BackgroundDrug) -> Iterator[Finding]:
    """Look at the target of a drug's level."""
    trough = drug.trough
    if trough is None:
        return
    if trough.low > trough.high:
        yield _reversed(where, f"{trough.low:g}", f"{trough.high:g}")
    printed = _PRINTED_UNIT.search(trough.as_printed or "")
    given = _PRINTED_UNIT.fullmatch(trough.unit.strip())
    if trough.as_printed is not None:
        yield from _implausible(where, drug, trough.low, printed, f'"{trough.as_printed}"')
    told = f"{trough.low:g} to {trough.high:g} {trough.unit}"
    yield from _implausible(where, drug, trough.low, given, told)
    if printed is None or given is None:
        return
    ratio = _grams_per_litre(printed) / _grams_per_litre(given)
    if not 0.999 < ratio < 1.001:
        yield Finding(
            "trough-unit-differs",
            "remark",
            where,
            f'The target level of {drug.drug} is printed "{trough.as_printed}" and read here in '
            f"{trough.unit}; the two units differ by a factor of {max(ratio, 1 / ratio):,.0f}.",
            "One of them is wrong.",
            "Confirm the unit with the investigators; the reading is an assumption until then.",
        )


def _implausible(
    where: str, drug: BackgroundDrug, low: float, unit: re.Match[str] | None, told: str
) -> Iterator[Finding]:
    """Find a level that needs many times the daily dose in the blood alone."""
    daily = _daily_dose(str(drug.dose))
    if unit is None or daily is None:
        return
    needed = low * _grams_per_litre(unit) * 1e3 * _BLOOD_L_PER_KG
    if needed <= _MANY_DOSES * daily:
        return
    yield Finding(
        "trough-implausible",
        "contradiction",
        where,
        f"The target level of {drug.drug}, {told}, cannot be meant: about {needed:.0f} mg/kg of "
        f"the drug would have to be in the blood alone, {needed / daily:.0f} times the daily dose "
        f"of {daily:g} mg/kg.",
        "Somebody who adjusts the dose to it would overdose every participant.",
        "Ask the investigators for the unit, and correct it.",
    )


def _grams_per_litre(unit: re.Match[str]) -> float:
    """Give a unit of mass per volume in g/L."""
    mass = {"kg": 1e3, "g": 1.0, "mg": 1e-3, "ug": 1e-6, "ng": 1e-9}
    volume = {"l": 1.0, "dl": 0.1, "ml": 1e-3, "ul": 1e-6}
    name, per = (part.lower().replace("µ", "u").replace("μ", "u") for part in unit.groups())
    return mass[name] / volume[per]


def _daily_dose(dose: str) -> float | None:
    """Read the first dose per kg of a text, in mg/kg."""
    match = _DAILY_DOSE.search(dose)
    if match is None:
        return None
    try:
        quantity: Quantity = parse_quantity(f"{match[1].replace(',', '.')} {match[2]}")
    except UnitError:
        return None
    return quantity.to("mg")


def _background(view: View) -> Iterator[Finding]:
    """Find conventional treatment beside the cells in a trial without a comparator."""
    if len(view.protocol.arms) > 1:
        return
    for name, arm in view.protocol.arms.items():
        drugs = [drug.drug for drug in arm.background if drug.role != "supportive"]
        if arm.infuse and drugs:
            yield Finding(
                "background-confounds",
                "remark",
                f"arms.{name}.background",
                f"Everybody receives {listed(drugs)} beside the cells, and there is no comparator.",
                "An improvement cannot be ascribed to the cells: the other treatment, or time "
                "alone, may have brought it about.",
                "Add a control group, or say what response is expected without the cells; record "
                "the other treatment in full.",
            )


def _before_condition(view: View) -> Iterator[Finding]:
    """Find infusions that are planned before the condition can be diagnosed."""
    for stretch in view.stretches:
        for origin in view.protocol.anchors:
            for condition in view.late_conditions(origin):
                offset = view.exact(origin, stretch.anchor)
                earliest = condition.earliest
                if offset is None or earliest is None or offset + stretch.first >= earliest:
                    continue
                yield Finding(
                    "infusion-before-condition",
                    "contradiction",
                    f"arms.{stretch.arm}.infuse",
                    f"{stretch.product} is first infused on day {offset + stretch.first} after "
                    f"{view.anchor(origin)}, but no published rule lets {condition.name} be "
                    f"diagnosed before day {earliest}.",
                    "The cells are given before anybody can have the condition that they treat.",
                    "Count the infusions from the diagnosis, or say that the trial prevents it.",
                )
