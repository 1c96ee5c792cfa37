"""What was simulated and what was decided, in sentences."""

from __future__ import annotations

from stromal.design.decision import name_curve
from stromal.design.runs import NULL_SCENARIO
from stromal.protocol import Protocol
from stromal.report.design_content import SIMULATED_FILE, Assumed, Critical, Simulated
from stromal.report.numbers import as_number, as_percent
from stromal.report.words import humanise

__all__ = [
    "VIRTUAL",
    "describe_budget",
    "describe_decision",
    "describe_effect",
    "describe_match",
    "describe_scenario",
    "describe_undefined",
    "name_rate",
    "undefined_variants",
]

VIRTUAL = "Virtual participants (synthetic)"
"""Said on every figure of virtual trials."""
_NO_RULE = (
    "A protocol that says “N consecutive days” without a rule for days without a count has no "
    "defined power when blood is not drawn daily."
)


def describe_budget(simulated: Simulated) -> str:
    """Say how much was simulated, and from which numbers.

    A run whose calibrated sets are one by number is told from one that is not calibrated.
    """
    trials = f"{simulated.trials:,} virtual trial{'' if simulated.trials == 1 else 's'}"
    many = simulated.parameter_sets
    kind = "calibrated " if simulated.calibrated else ""
    sets = f"{many} {kind}parameter sets" if many > 1 else f"one {kind}parameter set"
    if not simulated.calibrated:
        sets += " (not calibrated)"
    return (
        f"{trials} of each scenario and variant, {sets}, {simulated.bank:,} people in the bank of "
        f"each, seed {simulated.seed}."
    )


def describe_effect(scenario: Assumed) -> str:
    """Say what a scenario assumes of MSC: of the niche, and of what befalls participants."""
    effect = scenario.msc
    if scenario.scenario == NULL_SCENARIO:
        return "MSC have no effect."
    said = "MSC add nothing to the repair of the niche"
    if effect.effect:
        said = (
            f"While all support of 10⁶ MSC per kg lasts, it adds {as_number(effect.effect)} a day "
            f"to the repair of the niche; support fades by {as_number(effect.decay)} a day"
        )
        if effect.delay:
            said += f", from {effect.delay} day{'' if effect.delay == 1 else 's'} after an infusion"
        if effect.responders < 1:
            said += f", in {as_percent(effect.responders)} of participants"
    changed = [one for one in scenario.spells if one.msc_ratio != 1]
    for one in changed:
        said += (
            f". At full MSC support {humanise(one.name)} begins {as_number(one.msc_ratio)} times "
            "as often"
        )
    return f"{said}."


def name_rate(simulated: Simulated, *, short: bool = False) -> str:
    """Name the rate that is reported: an event need not be a success, a curve has a day."""
    shown = simulated.analysis
    if shown.day is not None:
        estimate = shown.estimate.removeprefix("cumulative ") if short else shown.estimate
        return name_curve(estimate, shown.day)
    return "Share with the event" if simulated.analysis.of == ["event"] else "Success rate"


def describe_decision(simulated: Simulated) -> str:
    """Say the rule in words, with its critical number.

    1. The endpoint, its levels, the test, p0 (or the arms), side and level.
    2. For one arm the critical number at the mean number analysed, and at the least and the most
       that occurred; two arms have none, because it depends on the successes of both, or on the
       times of their events.
    """
    rule, shown = simulated.decision, simulated.analysis
    if rule.timed:
        return _describe_timed(simulated)
    levels = " or ".join(humanise(level) for level in shown.of)
    level = f"{rule.side if rule.side == 'two-sided' else 'one-sided'}, alpha {rule.alpha:g}"
    what = shown.label
    if not all(level in what for level in shown.of):
        what += f" (counted: {levels})"
    if rule.test == "fisher":
        arms = " against ".join(humanise(arm) for arm in simulated.decided_arms)
        direction = {"greater": "above", "less": "below"}.get(rule.side)
        towards = f" for a rate {direction} the control’s" if direction else ""
        return (
            f"{what}: the trial rejects by Fisher’s exact test of {arms} ({level}){towards}. Its "
            "critical number depends on the successes of both arms."
        )
    direction = {"greater": " upwards", "less": " downwards"}.get(rule.side, "")
    said = (
        f"{what}: the trial rejects a success rate of {as_percent(rule.p0)}{direction} by the "
        f"exact binomial test ({level})"
    )
    numbers = [_critical(one) for one in _chosen(simulated)]
    return f"{said}: {'; '.join(numbers)}." if numbers else f"{said}."


def _describe_timed(simulated: Simulated) -> str:
    """Say a rule on a time to an event."""
    rule, shown = simulated.decision, simulated.analysis
    arms = " against ".join(humanise(arm) for arm in simulated.decided_arms)
    level = f"{rule.side if rule.side == 'two-sided' else 'one-sided'}, alpha {rule.alpha:g}"
    test = "Gray’s test" if rule.test == "gray" else "the log-rank test"
    direction = {"greater": "more", "less": "fewer"}.get(rule.side)
    experimental = humanise(simulated.decided_arms[0])
    towards = f" for {direction} events than expected with {experimental}" if direction else ""
    return (
        f"{shown.label}: the trial rejects by {test} of {arms} over all the time observed "
        f"({level}){towards}. It has no critical number: it depends on when events come."
    )


def _chosen(simulated: Simulated) -> list[Critical]:
    """Give the rule at the mean number analysed, then at the least and the most."""
    rows = sorted(simulated.critical_numbers or [], key=lambda row: row.n)
    if not rows:
        return []
    means = [simulated.null_arm(c).analysed.value for c in simulated.cells]
    known = [mean for mean in means if mean is not None]
    centre = sum(known) / len(known) if known else float(rows[-1].n)
    usual = min(rows, key=lambda row: (abs(row.n - centre), row.n))
    return list({row.n: row for row in (usual, rows[0], rows[-1])}.values())


def _critical(row: Critical) -> str:
    """Say from how many successes the rule rejects."""
    parts = [f"from {row.rejects_from} successes on"] if row.rejects_from is not None else []
    if row.rejects_up_to is not None:
        parts.append(f"up to {row.rejects_up_to}")
    return f"with {row.n} analysed {' and '.join(parts) or 'never'}"


def undefined_variants(simulated: Simulated) -> list[tuple[str, float]]:
    """Find variants under whose draws the rule cannot be shown.

    A variant is found where in every scenario nobody decided on succeeds and no trial rejects,
    while by the true daily counts somebody does. Of survival, which is 0 only where all have the
    event, none is.

    Returns
    -------
    list of (str, float)
        The variant, and the highest true success rate among its scenarios.
    """
    found: list[tuple[str, float]] = []
    if simulated.analysis.estimate == "survival":
        return found
    for one in simulated.variants:
        cells = [simulated.cell(s.scenario, one.variant) for s in simulated.scenarios]
        arms = [a for cell in cells for a in cell.arms if a.arm in simulated.decided_arms]
        measured = [arm.success_rate.value for arm in arms]
        latent = [t.rate.value or 0.0 for a in arms for t in a.truths if t.truth == "latent"]
        never = all(rate == 0 for rate in (*measured, *(c.rejecting.value for c in cells)))
        if never and max(latent, default=0.0) > 0:
            found.append((one.variant, max(latent)))
    return found


def describe_undefined(simulated: Simulated) -> str:
    """Say in one sentence under which variants the wording has no defined power; empty if none."""
    found = undefined_variants(simulated)
    if not found:
        return ""
    names = ", ".join(f"“{name}”" for name, _ in found)
    most = as_percent(max(rate for _, rate in found))
    what = "has the event" if simulated.decision.timed else "succeeds"
    return (
        f"Under {names} no virtual participant {what} in any scenario, although by the true "
        f"daily counts up to {most} do: what the rule asks for cannot be seen in blood drawn so, "
        f"and the wording has no defined power there. {_NO_RULE}"
    )


def describe_match(
    simulated: Simulated, protocol: Protocol, version: str
) -> list[tuple[bool, str]]:
    """Say whether the file belongs to this study and to this version of its protocol.

    Returns
    -------
    list of (bool, str)
        Sentences, and whether each is a warning.
    """
    said: list[tuple[bool, str]] = []
    if simulated.study != protocol.study.id:
        said.append((True, (
            f"These are not results of this study: {SIMULATED_FILE} was made from "
            f"“{simulated.study}”, and this is “{protocol.study.id}”."
        )))  # fmt: skip
    versions = list(dict.fromkeys(one.protocol_version for one in simulated.variants))
    own = [one.variant for one in simulated.variants if one.protocol_version == version]
    if not own:
        shown = ", ".join(one[:12] for one in versions[:6]) + (", …" if len(versions) > 6 else "")
        said.append((False, (
            f"The file was made for amended protocols: none of those simulated ({shown}) is the "
            f"protocol of this folder ({version[:12]}). Either the scenario or the grid amends it, "
            "or it was changed after the simulation."
        )))  # fmt: skip
    elif len(own) == len(simulated.variants):
        said.append((False, f"Simulated from the protocol of this folder ({version[:12]})."))
    else:
        names = ", ".join(f"“{name}”" for name in own)
        said.append((False, (
            f"The protocol of this folder ({version[:12]}) is that of {names}; the other variants "
            "amend it."
        )))  # fmt: skip
    return said


def describe_scenario(name: str) -> str:
    """Name a scenario as a heading does."""
    return "no effect of MSC (null)" if name == NULL_SCENARIO else humanise(name)
