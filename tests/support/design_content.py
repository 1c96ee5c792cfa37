"""A made-up file of virtual trials, for the report: no number in it was simulated."""

from itertools import product

DEFINITIONS = ["calendar days", "consecutive counts"]
MEASURED = ["daily", "daily, 10 % missed", "daily, 25 % missed", "Mon, Wed, Fri", "weekly"]
LATENT = 0.48
RATES = {  # measured success rate and power with an effect, then without
    ("calendar days", "daily"): (0.48, 0.93, 0.27, 0.015),
    ("calendar days", "daily, 10 % missed"): (0.43, 0.72, 0.24, 0.004),
    ("calendar days", "daily, 25 % missed"): (0.32, 0.11, 0.17, 0.0),
    ("calendar days", "Mon, Wed, Fri"): (0.0, 0.0, 0.0, 0.0),
    ("calendar days", "weekly"): (0.0, 0.0, 0.0, 0.0),
    ("consecutive counts", "daily"): (0.48, 0.93, 0.27, 0.015),
    ("consecutive counts", "daily, 10 % missed"): (0.47, 0.90, 0.29, 0.042),
    ("consecutive counts", "daily, 25 % missed"): (0.46, 0.88, 0.31, 0.09),
    ("consecutive counts", "Mon, Wed, Fri"): (0.47, 0.90, 0.34, 0.17),
    ("consecutive counts", "weekly"): (0.40, 0.56, 0.19, 0.0),
}


def figure(value, se=0.008, spread=0.1):
    """A number with its error and the spread of the parameter sets."""
    if value is None:
        return {"value": None, "se": None, "low": None, "high": None, "sets": 0, "spread": None}
    se = 0.0 if value in {0, 1} else se
    top = 1.0 if value <= 1 else float("inf")
    p5, p95 = max(0.0, value - spread), min(top, value + spread)
    sets = {"sd": spread / 2, "observed_sd": spread / 2, "p5": p5, "p95": p95}
    return {"value": value, "se": se, "low": value - 2 * se, "high": min(top, value + 2 * se),
            "sets": 50, "spread": sets if se else {**sets, "p5": value, "p95": value}}  # fmt: skip


def cell(scenario, variant, rate, rejecting, latent):
    """One scenario under one variant, with one arm."""
    truths = [
        {"truth": truth, "rate": figure(true), "coverage": figure(0.94),
         "bias": figure(None if rate is None else rate - true, 0.004)}
        for truth, true in (("latent", latent), ("measured daily", latent - 0.01))
    ]  # fmt: skip
    arm = {"arm": "msc", "success_rate": figure(rate), "analysed": figure(68.0, 0.04, 1.0),
           "enrolled": figure(68.0, 0.04, 1.0), "without_estimate": 0,
           "truths": truths}  # fmt: skip
    return {
        "scenario": scenario, "variant": variant, "trials": 2000, "parameter_sets": 50,
        "undecidable": 0, "rejecting": figure(rejecting), "rejecting_in_favour": None,
        "nominal_alpha": figure(0.0154, 0.0, 0.0), "enrolled": figure(68.0, 0.04, 1.0),
        "screened": figure(14.7, 0.2, 3.0), "duration_days": figure(553.0, 4.0, 60.0),
        "arms": [arm], "endpoints": [],
    }  # fmt: skip


def content_of(axes, rates, *, scenarios=("assumed",), study="msc4pgf", version="a" * 64):
    """The file of a grid; `rates` gives, of the levels, both rates and both powers."""
    keys = [tuple(levels) for levels in product(*axes.values())]
    names = {key: ", ".join(key) or "as planned" for key in keys}
    cells = [cell("null", names[key], *rates(key)[2:], 0.27) for key in keys]
    for scenario in scenarios:
        cells += [cell(scenario, names[key], *rates(key)[:2], LATENT) for key in keys]
    null = [one for one in cells if one["scenario"] == "null"]
    msc = {"effect": 0.02, "decay": 0.1, "delay": "3 d", "responders": 1.0}
    return {
        "study": study, "data": "synthetic", "seed": 7, "trials": 2000, "parameter_sets": 50,
        "calibrated": True, "bank": 250, "checksum": "0f" * 32,
        "variants": [{"variant": names[key], "levels": dict(zip(axes, key, strict=True)),
                      "protocol_version": version} for key in keys],
        "scenarios": [
            {"scenario": name, "text": "A ward that draws blood daily.", "version": "b" * 64,
             "msc": {**msc, "effect": 0.0} if name == "null" else msc}
            for name in ("null", *scenarios)
        ],
        "statements": ["The effect of MSC in each scenario is an assumption.", "A second one."],
        "decision": {"analysis": "platelet_response", "test": "binomial", "p0": 0.27,
                     "alpha": 0.025, "side": "greater", "control": None, "experimental": None},
        "analysis": {"label": "Platelet response", "endpoint": "platelet_response",
                     "of": ["CR", "PR"], "set": "treated", "interval": "clopper-pearson",
                     "confidence": 0.95},
        "monte_carlo_confidence": 0.95,
        "critical_numbers": [{"n": 68, "rejects_from": 27, "rejects_up_to": None,
                              "nominal_alpha": 0.0154}],
        "rates": [{"variant": one["variant"], "null_rate": one["arms"][0]["success_rate"],
                   "nominal_alpha": one["nominal_alpha"], "nominal_at": 0.27,
                   "actual_alpha": one["rejecting"]} for one in null],
        "cells": cells,
        "axes": {axis: list(levels) for axis, levels in axes.items()},
    }  # fmt: skip


def grid_content(**more):
    """Two definitions by five ways of measuring."""
    axes = {"definition": DEFINITIONS, "measurement": MEASURED}
    return content_of(axes, RATES.__getitem__, **more)


def single_content(**more):
    """A run without a grid."""
    return content_of({}, lambda _: RATES["consecutive counts", "daily"], **more)
