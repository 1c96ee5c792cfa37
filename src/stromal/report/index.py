"""The page that leads to the reports of several studies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from stromal import __version__
from stromal.report.figures import STAMPS, plot_thumbnail
from stromal.report.html import page_environment, read_asset, script_policy
from stromal.report.results import show_result
from stromal.report.timeline import draw_timeline
from stromal.report.view import StudyView

__all__ = ["render_index"]


@dataclass(frozen=True)
class Card:
    """One study on the page."""

    link: str
    title: str
    study: str
    stamp: str
    facts: str
    headline: str
    label: str
    picture: Markup | None


def render_index(views: Iterable[StudyView]) -> str:
    """Write a page with one card a study: title, design, size, first result, picture, link.

    1. A card leads to `<folder>.html` beside this page.
    2. Its result is the first primary one; a study without records says so and how much reading
       its protocol found.
    3. Its picture is the timeline of the participant with the most counts, where there are counts
       and histories may be shown; else the first analysis, the primary ones before the others.
    """
    cards = [_card(view) for view in views]
    page = page_environment().get_template("index.html.j2")
    return page.render(
        cards=cards,
        version=__version__,
        style=Markup(read_asset("index.css")),  # noqa: S704  (our own file)
        policy=script_policy(""),
    )


def _card(view: StudyView) -> Card:
    """Make one study's card."""
    study, design = view.protocol.study, view.protocol.design
    label, headline = _headline(view)
    size = f"{view.context.size} participants" if view.data else f"{design.enrolment} planned"
    ids = ", ".join(registration.id for registration in study.registrations)
    facts = [design.kind, design.masking, size, ids]
    return Card(
        link=f"{view.folder}.html",
        title=study.title,
        study=study.id,
        stamp=STAMPS.get(view.data or "", "" if view.data else "PROTOCOL, no records"),
        facts=" · ".join(fact for fact in facts if fact),
        headline=headline,
        label=label,
        picture=_picture(view),
    )


def _headline(view: StudyView) -> tuple[str, str]:
    """Give the first primary result (or what there is instead), label and sentence."""
    results = sorted(view.results.results, key=lambda result: result.role != "primary")
    if results:
        return results[0].label, show_result(view, results[0], individual=False).headline
    found = len(view.protocol_findings)
    contradictions = sum(f.weight == "contradiction" for f in view.protocol_findings)
    return "Protocol check", f"{found} findings, {contradictions} of them contradictions."


def _picture(view: StudyView) -> Markup | None:
    """Give a small figure for the card."""
    counts = view.records["measurements"]["participant_id"].value_counts(sort=True, name="n")
    if not counts.is_empty() and view.has_individuals and view.shares_individuals:
        most = counts.filter(pl.col("n") == counts["n"].max())["participant_id"].min()
        return Markup(draw_timeline(view.context, str(most), view.infusions))  # noqa: S704
    for result in sorted(view.results.results, key=lambda result: result.role != "primary"):
        drawn = plot_thumbnail(result, data=view.data)
        if drawn is not None:
            return Markup(drawn.replace(f"t-{result.id}", f"t-{view.folder}-{result.id}"))  # noqa: S704
    return None
