"""An outcome under every definition: the figure, and the page that holds it with its tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
import polars as pl
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from stromal import __version__
from stromal.core import UsageError
from stromal.endpoints.multiverse import Multiverse, summarize_every, who_differs
from stromal.protocol import Protocol
from stromal.protocol.wording import describe_definition
from stromal.report.figures import SETTINGS, STAMPS, as_svg
from stromal.report.html import page_environment, read_asset, script_policy
from stromal.report.multiverse_curves import draw_curves
from stromal.report.multiverse_panels import draw_panels, height_of_panels
from stromal.report.multiverse_tables import (
    definition_version,
    judged_rows,
    tabulate_levels,
    tabulate_participants,
    tabulate_times,
    tabulate_transitions,
    underived,
    unjudged,
)
from stromal.report.multiverse_tiles import draw_tiles, height_of_tiles
from stromal.report.svg import clean
from stromal.report.timeline_layout import fit_text, wrap_text

__all__ = ["RECONSTRUCTED", "draw_multiverse", "render_multiverse"]

RECONSTRUCTED = (
    "Single participants and curves of a reconstruction are not shown: individual data were never "
    "published, and the rows are one of many sets that give the published numbers."
)
_WIDTH = 10.0  # inches
_TOP, _CURVES, _FOOT_LINE = 0.68, 3.1, 0.15


@dataclass(frozen=True)
class Section:
    """One endpoint's part of the page."""

    title: str
    sentence: str
    picture: Markup
    totals: pl.DataFrame
    transitions: pl.DataFrame
    people: pl.DataFrame
    definitions: list[tuple[str, str, list[str], str]]
    missing: list[tuple[str, str]]
    remarks: list[tuple[str, str]]


def draw_multiverse(multiverse: Multiverse, *, data: str | None, version: str, kind: str) -> bytes:
    """Draw an outcome under every definition, as a file of its own.

    1. A time to an event: one panel a definition (definitions that give everybody the same share
       one), one row a participant, sorted by the day of the protocol's own; above
       `multiverse_panels.MOST_ROWS` participants, distributions of days instead. Below, the
       cumulative incidence of the event under each definition, competing events taken into account.
    2. Levels or grades: one row a definition, one tile a participant, and the counts.
    3. The foot names the kind of data, the protocol's version and the definitions with theirs.

    Parameters
    ----------
    multiverse
        What `derive_every` gives.
    data
        The kind of data.
    version
        The protocol's version.
    kind
        `svg` or `png`.

    Raises
    ------
    UsageError
        The data are a reconstruction (see `RECONSTRUCTED`), or the kind is another.
    """
    if data == "reconstruction":
        raise UsageError(f"{RECONSTRUCTED} -o FILE.html writes the totals")
    if kind not in {"svg", "png"}:
        raise UsageError(f"a picture is written as .svg or .png; got `{kind}`")
    with cast("Any", mpl).rc_context(
        {**SETTINGS, "svg.hashsalt": f"multiverse {multiverse.endpoint}"}
    ):
        figure = _figure(multiverse, data=data, version=version)
        if kind == "png":
            FigureCanvasAgg(figure)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=160, facecolor="white",
                           metadata={"Software": None})  # fmt: skip
            return buffer.getvalue()
        FigureCanvasSVG(figure)
        text = _svg(figure, multiverse)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return (head + text).encode()


def _svg(figure: Any, multiverse: Multiverse) -> str:  # noqa: ANN401
    """Write the figure as an element that carries its title and its description."""
    key = f"every-{multiverse.endpoint}"
    text = as_svg(figure, key, f"{multiverse.label} under every definition")
    opening, rest = text.split(">", 1)
    opening = opening.replace(' class="figure"', ' class="multiverse"')
    told = f"<title>{clean(multiverse.label)} under every definition</title>"
    return f"{opening}>{told}<desc>{clean(_described(multiverse))}</desc>{rest}"


def _described(multiverse: Multiverse) -> str:
    """Say in sentences what the figure shows."""
    if multiverse.levels:
        rows = tabulate_levels(multiverse).iter_rows(named=True)
        return " ".join(f"{row['definition']}: {row['participants']}." for row in rows)
    said: list[str] = []
    for row in summarize_every(multiverse.rows).iter_rows(named=True):
        median = "" if row["median_day"] is None else f", median day {row['median_day']:g}"
        said.append(
            f"{row['definition']}: {row['event']} with the event{median}, {row['competing']} "
            f"competing, {row['censored']} censored, {row['not_evaluable']} not evaluable; "
            f"{row['other_status']} of another status and {row['earlier'] + row['later']} on "
            f"another day than by {multiverse.reference}."
        )
    return " ".join(said)


def _figure(multiverse: Multiverse, *, data: str | None, version: str) -> Any:  # noqa: ANN401
    """Lay the parts of the figure out from the top down."""
    foot = _foot(multiverse, data, version)
    below = 0.2 + _FOOT_LINE * len(foot)
    if multiverse.levels:
        middle = height_of_tiles(multiverse)
        curves = 0.0
    else:
        middle, curves = height_of_panels(multiverse), _CURVES
    height = _TOP + middle + curves + below
    figure: Any = Figure(figsize=(_WIDTH, height))
    _head(figure, multiverse, data, height)
    if multiverse.levels:
        draw_tiles(figure, multiverse, top=height - _TOP)
    else:
        draw_panels(figure, multiverse, top=height - _TOP)
        draw_curves(figure, multiverse, top=height - _TOP - middle, tall=_CURVES)
    for place, line in enumerate(foot):
        y = (0.12 + _FOOT_LINE * (len(foot) - 1 - place)) / height
        figure.text(0.012, y, line, fontsize=7, color="#595959")
    return figure


def _head(figure: Any, multiverse: Multiverse, data: str | None, height: float) -> None:  # noqa: ANN401
    """Write title, what is compared, and the kind of data."""
    size = multiverse.rows["participant_id"].n_unique()
    moved = who_differs(judged_rows(multiverse)).height
    silent = len(unjudged(multiverse))
    many = len(multiverse.derived())
    room = (_WIDTH - 0.3 - (2.9 if data in STAMPS else 0.0)) * 72 / 1.12
    figure.text(0.012, 1 - 0.28 / height, fit_text(multiverse.label, 13.0, room), fontsize=13,
                fontweight="bold")  # fmt: skip
    anchor = multiverse.anchor.replace("_", " ")
    what = "level" if multiverse.levels else "day or status"
    kind = "the protocol’s own" if multiverse.own is not None else "the first derived"
    said = f"{many} definitions: the choice moves {moved} of {size} to another {what}."
    if silent:
        judging = f"{many} definitions, of which {silent} can judge nobody"
        said = f"{judging}: the choice moves {moved} of {size} to another {what}."
    figure.text(0.012, 1 - 0.5 / height, f"{said} Days count from {anchor}. "
                f"Reference: {kind}, {multiverse.reference}.", fontsize=9)  # fmt: skip
    if data in STAMPS:
        figure.text(0.988, 1 - 0.28 / height, STAMPS[data], fontsize=9, fontweight="bold",
                    color="#6b4a00", ha="right",
                    bbox={"facecolor": "#fff3d6", "edgecolor": "#b07a00", "pad": 3})  # fmt: skip


def _foot(multiverse: Multiverse, data: str | None, version: str) -> list[str]:
    """Write the foot: kind of data, versions."""
    names = ", ".join(
        f"{rival.name} {definition_version(rival)}"
        for rival in multiverse.rivals
        if not rival.reason
    )
    missing = [rival.name for rival in multiverse.rivals if rival.reason]
    text = [f"Data: {data or 'none'}. Protocol {version}. stromal {__version__}."]
    text += wrap_text(f"Definitions and their versions: {names}.", 7.0, _WIDTH * 72 - 20, lines=6)
    if missing:
        told = f"Not derived from these records: {', '.join(missing)}."
        text += wrap_text(told, 7.0, _WIDTH * 72 - 20, lines=4)
    return text


def render_multiverse(
    found: Sequence[Multiverse], protocol: Protocol, *, data: str | None, version: str
) -> str:
    """Write the page: for each endpoint the figure, its tables, and the definitions in words.

    1. The page loads nothing and escapes every text.
    2. Of a reconstruction the totals are shown and neither participants nor curves.
    3. The same study gives the same bytes.
    """
    page = page_environment().get_template("multiverse.html.j2")
    individual = data != "reconstruction"
    return page.render(
        title=protocol.study.title,
        sections=[_section(multiverse, data, version) for multiverse in found],
        stamp=STAMPS.get(data or "", ""),
        withheld="" if individual else RECONSTRUCTED,
        forbidden=individual and protocol.sharing.individual_data == "no",
        version=version,
        data=data,
        program=__version__,
        style=Markup(read_asset("report.css")),  # noqa: S704  (our own file)
        policy=script_policy(""),
    )


def _section(multiverse: Multiverse, data: str | None, version: str) -> Section:
    """Gather what the page says of one endpoint."""
    individual = data != "reconstruction"
    picture = Markup()
    people = pl.DataFrame()
    if individual:
        drawn = draw_multiverse(multiverse, data=data, version=version, kind="svg").decode()
        picture = Markup(drawn.split("\n", 1)[1])  # noqa: S704  (our own figure, escaped)
        people = tabulate_participants(multiverse)
    moved = who_differs(judged_rows(multiverse)).height
    size = multiverse.rows["participant_id"].n_unique()
    return Section(
        title=multiverse.label,
        sentence=f"{moved} of {size} participants have another status, level or day under at "
        f"least one definition; {size - moved} are the same throughout. * {multiverse.reference}: "
        + (
            "the protocol’s own definition, which the others are compared with."
            if multiverse.own is not None
            else "the first that can be derived; the protocol has none of its own."
        ),
        picture=picture,
        totals=tabulate_levels(multiverse) if multiverse.levels else tabulate_times(multiverse),
        transitions=tabulate_transitions(multiverse) if multiverse.levels else pl.DataFrame(),
        people=people,
        definitions=[
            (
                rival.name,
                rival.rule.title or "",
                [
                    f"{aspect.name}: {aspect.said}."
                    for aspect in describe_definition(rival.family, rival.rule)
                ],
                "; ".join(str(source) for source in rival.rule.sources),
            )
            for rival in multiverse.rivals
        ],
        missing=underived(multiverse),
        remarks=[
            *((name, f"nobody can be judged. {said}") for name, said in unjudged(multiverse)),
            *((rival.name, rival.remark) for rival in multiverse.rivals if rival.remark),
        ],
    )
