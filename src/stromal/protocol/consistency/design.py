"""Design, size, registration, monitoring and sharing."""

from __future__ import annotations

from collections.abc import Iterator

from stromal.core import Finding
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import listed

__all__ = ["check_design"]

_MASKED = {"double blind", "triple blind"}


def check_design(view: View) -> Iterator[Finding]:
    """Check the design and what surrounds it.

    1. `arms-against-design`, `participants-against-enrolment`, `arms-differ`, `enrolment-differs`:
       numbers of arms and participants that stand in several places.
    2. `no-registration`, `registered-retrospectively`.
    3. `no-basis-of-size`, `no-stopping-rule`, `no-monitoring-committee`, `no-grading-scale`,
       `masking-not-stated`.
    4. `allocation-not-stated`, `ratio-against-arms`, `blinding-not-stated`,
       `blinding-without-comparator`.
    5. `individual-data-not-shared`.
    """
    yield from _arms(view)
    yield from _registrations(view)
    yield from _safeguards(view)
    yield from _allocation(view)
    yield from _blinding(view)
    if view.protocol.sharing.individual_data == "no":
        yield Finding(
            "individual-data-not-shared",
            "remark",
            "sharing.individual_data",
            "The trial does not share data of single participants.",
            "A report with timelines or listings of participants must not leave the trial.",
            "Outside the trial use the report in its version without individual data.",
        )


def _arms(view: View) -> Iterator[Finding]:
    """Compare numbers of arms and participants with each other."""
    protocol = view.protocol
    number, kind = len(protocol.arms), protocol.design.kind
    wants_one = kind == "single arm"
    wants_two = kind in {"randomised", "concurrent non-randomised"}
    if (wants_one and number > 1) or (wants_two and number < 2):
        yield Finding(
            "arms-against-design",
            "contradiction",
            "design.kind",
            f"The design is {kind}, but the protocol has {number} "
            f"{'arm' if number == 1 else 'arms'}.",
            "Comparisons, sizes and allocation depend on it.",
            "Correct the design, or the arms.",
        )
    sizes = [arm.participants for arm in protocol.arms.values()]
    total = sum(size for size in sizes if size is not None)
    enrolment = protocol.design.enrolment
    if total > enrolment or (None not in sizes and total != enrolment):
        yield Finding(
            "participants-against-enrolment",
            "contradiction",
            "design.enrolment",
            f"The arms have {' + '.join(str(size) for size in sizes if size is not None)} = "
            f"{total} participants; the enrolment is {enrolment}.",
            "The size of the trial, and so its precision, is not determined.",
            "Correct one of the two.",
        )


def _registrations(view: View) -> Iterator[Finding]:
    """Compare registrations, publication and protocol; look at when the trial was registered."""
    protocol = view.protocol
    study = protocol.study
    if not study.registrations:
        yield Finding(
            "no-registration",
            "gap",
            "study.registrations",
            "No registration is named.",
            "Journals ask for registration before the first participant, and nobody else can see "
            "what was planned.",
            "Register the trial and name the entry.",
        )
    yield from _statements(view, "arms")
    yield from _statements(view, "participants")
    for index, entry in enumerate(study.registrations):
        if entry.registered == "retrospectively":
            yield Finding(
                "registered-retrospectively",
                "remark",
                f"study.registrations.{index}.registered",
                f"{_entry(entry.id, entry.certainty)} was made after the first participant had "
                "been enrolled.",
                "Endpoints and size could have been chosen with results in sight.",
                "Say so in every report, and give the dates.",
            )


def _entry(name: str, certainty: str) -> str:
    """Name a registration."""
    return (
        f"The probable registration {name}" if certainty == "probable" else f"Registration {name}"
    )


def _statements(view: View, what: str) -> Iterator[Finding]:
    """Find places that give different numbers of arms or participants."""
    protocol = view.protocol
    arms = what == "arms"
    said: list[tuple[str, int]] = [
        ("the protocol", len(protocol.arms) if arms else protocol.design.enrolment)
    ]
    for entry in protocol.study.registrations:
        value = entry.arms if arms else entry.enrolment
        if value is not None:
            said.append((_entry(entry.id, entry.certainty)[:1].lower()
                         + _entry(entry.id, entry.certainty)[1:], value))  # fmt: skip
    registered = len({value for _, value in said}) > 1
    publication = protocol.study.publication
    if publication is not None:
        printed = publication.arms if arms else publication.participants
        if printed is not None:
            said.append(("the publication", printed))
    if len({value for _, value in said}) == 1:
        return
    unit = "arms" if arms else "participants"
    yield Finding(
        "arms-differ" if arms else "enrolment-differs",
        "contradiction" if arms or registered else "remark",
        "study.registrations" if protocol.study.registrations else "study.publication",
        f"The numbers of {unit} differ: {listed(f'{value} in {place}' for place, value in said)}.",
        "A reader cannot tell what was planned from what was changed later, such as a control "
        "group added afterwards.",
        "Explain the difference, or confirm that the registration is that of this trial.",
    )


def _safeguards(view: View) -> Iterator[Finding]:
    """Find what a trial should say of size, stopping, monitoring, grading and masking."""
    design = view.protocol.design
    if design.basis_of_size == "not stated":
        yield _absent(
            "no-basis-of-size", "design.basis_of_size",
            f"No reason is given why {design.enrolment} participants are enough.",
            "Nobody can tell which effect the trial could show or miss.",
            "State the response rates, the errors and the method that lead to the number.",
        )  # fmt: skip
    if design.stopping == "not stated" or not design.stopping:
        yield _absent(
            "no-stopping-rule", "design.stopping", "No rule says when the trial stops or pauses.",
            "Harm or futility could go on to the last participant.",
            "State a stopping rule, such as a boundary for deaths or graft-versus-host disease.",
        )  # fmt: skip
    if design.monitoring.committee == "not stated":
        yield _absent(
            "no-monitoring-committee", "design.monitoring.committee",
            "No data monitoring committee is named.",
            "Nobody independent of the investigators looks at safety while the trial runs.",
            "Name a committee and say when it meets, or say why none is needed.",
        )  # fmt: skip
    if design.monitoring.grading == "not stated":
        yield _absent(
            "no-grading-scale", "design.monitoring.grading",
            "No scale is named by which adverse events are graded.",
            "Grades cannot be compared: the versions of CTCAE give one neutrophil count different "
            "grades.",
            "Name the scale and its version, such as CTCAE v5.0.",
        )  # fmt: skip
    if design.masking == "not stated":
        yield _absent(
            "masking-not-stated", "design.masking", "It is not stated who knows the treatment.",
            "Endpoints that people judge depend on it.",
            "State the masking, and whether assessors are masked.",
        )  # fmt: skip


def _absent(rule: str, where: str, what: str, why: str, remedy: str) -> Finding:
    """Make a finding of something that is absent."""
    return Finding(rule, "gap", where, what, why, remedy)


def _allocation(view: View) -> Iterator[Finding]:
    """Look at how participants come to their arm."""
    design, allocation = view.protocol.design, view.protocol.design.allocation
    if design.kind != "randomised" or allocation is None:
        return
    absent = [
        word
        for word, missing in (
            ("the method", allocation.method == "not stated"),
            ("the ratio", not allocation.ratio),
            ("the concealment", allocation.concealment == "not stated"),
        )
        if missing
    ]
    if absent:
        yield _absent(
            "allocation-not-stated", "design.allocation",
            f"The trial is randomised, but {listed(absent)} of the allocation "
            f"{'is' if len(absent) == 1 else 'are'} not stated.",
            "Without concealment the next allocation can be guessed, and participants chosen for "
            "it.",
            "State the ratio, how the list was made, and who keeps it.",
        )  # fmt: skip
    if allocation.ratio and len(allocation.ratio) != len(view.protocol.arms):
        yield Finding(
            "ratio-against-arms",
            "contradiction",
            "design.allocation.ratio",
            f"The allocation ratio {':'.join(str(part) for part in allocation.ratio)} has "
            f"{len(allocation.ratio)} parts for {len(view.protocol.arms)} arms.",
            "The allocation is not determined.",
            "Give one number for each arm.",
        )


def _blinding(view: View) -> Iterator[Finding]:
    """Find a masking that the arms cannot keep."""
    protocol = view.protocol
    design = protocol.design
    if design.masking not in _MASKED:
        return
    if len(protocol.arms) == 1:
        yield Finding(
            "blinding-without-comparator",
            "contradiction",
            "design.masking",
            f"The trial is {design.masking} and has one arm.",
            "Everybody knows what every participant receives.",
            "Correct the masking.",
        )
        return
    bare = [arm.label for arm in protocol.arms.values() if not arm.infuse]
    if bare and len(bare) < len(protocol.arms):
        yield Finding(
            "blinding-without-comparator",
            "contradiction",
            "design.masking",
            f"The trial is {design.masking}, but nothing is infused in {listed(bare)} where other "
            "arms receive infusions.",
            "Who is infused knows the arm.",
            "Add a placebo product, or correct the masking.",
        )
    elif design.allocation is None or design.allocation.blinding is None:
        yield _absent(
            "blinding-not-stated", "design.allocation.blinding",
            f"The trial is {design.masking}, but it is not stated how the products are made to "
            "look alike.",
            "A suspension of cells is cloudy and saline is clear.",
            "State how bags and lines are covered, and who prepares them.",
        )  # fmt: skip
