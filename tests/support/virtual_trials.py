"""Tables as a finished run of virtual trials leaves them, with successes drawn from binomials."""

import numpy as np
import polars as pl

from stromal.design.decision import Decision
from stromal.design.runs import TALLIES_SCHEMA, TRIALS_SCHEMA, TRUTHS_SCHEMA
from stromal.protocol.analyses import ProportionAnalysis

__all__ = [
    "NO_TALLIES",
    "NO_TRUTHS",
    "against_p0",
    "proportion",
    "trials_of",
    "truths_of",
    "two_arms",
]

NO_TALLIES = pl.DataFrame(schema=dict(TALLIES_SCHEMA))
NO_TRUTHS = pl.DataFrame(schema=dict(TRUTHS_SCHEMA))


def against_p0(p0=0.27, alpha=0.025, side="greater", **more):
    return Decision(analysis="response", test="binomial", p0=p0, alpha=alpha, side=side, **more)


def two_arms(alpha=0.05, side="two-sided"):
    return Decision(
        analysis="response",
        test="fisher",
        alpha=alpha,
        side=side,
        control="control",
        experimental="msc",
    )


def proportion(interval="clopper-pearson", confidence=0.95):
    return ProportionAnalysis(
        label="Response",
        role="primary",
        set="everyone",
        estimate="proportion",
        endpoint="response",
        of=["CR", "PR"],
        interval=interval,
        confidence=confidence,
    )


def trials_of(events, n, *, scenario="null", variant="daily", arm="msc", **more):
    """Make trials of `events[set][trial]` successes of `n` (a number, or of the same shape)."""
    events = np.asarray(events)
    sets, trials = events.shape
    frame = pl.DataFrame({
        "scenario": scenario,
        "variant": variant,
        "parameter_set": np.repeat(np.arange(sets), trials),
        "trial": np.tile(np.arange(trials), sets),
        "arm": arm,
        "n": np.broadcast_to(n, events.shape).ravel(),
        "events": events.ravel(),
        "enrolled": more.get("enrolled", np.broadcast_to(n, events.shape).ravel()),
        "screened": more.get("screened", 14.0),
        "duration_days": more.get("duration_days", 700.0),
    })  # fmt: skip
    return frame.cast(dict(TRIALS_SCHEMA))


def truths_of(events, n, *, truth="latent", scenario="null", variant="daily", arm="msc"):
    """Make one truth a parameter set."""
    return pl.DataFrame({
        "scenario": scenario,
        "variant": variant,
        "parameter_set": range(len(events)),
        "arm": arm,
        "truth": truth,
        "n": n,
        "events": events,
    }).cast(dict(TRUTHS_SCHEMA))  # fmt: skip
