"""The plan as code: every kind of analysis of a protocol is what the functions give on a frame."""

import re

import polars as pl
import pytest

from stromal.analysis import estimate_at, estimate_survival, times_to_event
from stromal.analysis.analyze import analyze
from stromal.analysis.cox import fit_cox
from stromal.analysis.fine_gray import fit_fine_gray
from stromal.analysis.gray import compare_incidence
from stromal.analysis.histories import _held
from stromal.analysis.landmark import take_landmark
from stromal.analysis.logrank import compare_survival
from stromal.analysis.proportion_difference import estimate_difference
from stromal.analysis.restricted_mean import compare_restricted_means
from stromal.analysis.time_dependent import split_at_exposure
from stromal.core import UsageError
from stromal.endpoints.derive import derive_all
from stromal.endpoints.outcome import StateHistory
from stromal.endpoints.processes import FREE
from stromal.protocol import read_protocol
from stromal.protocol.model_analyses import OccupationAnalysis
from stromal.records import read_records
from support.two_arm_study import LEVEL, two_arm_study

COMMON = {"role": "secondary", "set": "everyone"} | LEVEL
SURVIVAL = COMMON | {
    "label": "Survival",
    "estimate": "survival",
    "endpoint": "survival",
    "at": ["180 d"],
    "interval": "log-log",
}
RELAPSE = COMMON | {
    "label": "Relapse",
    "estimate": "cumulative incidence",
    "endpoint": "relapse",
    "at": ["180 d"],
    "variance": "greenwood",
    "interval": "log-log",
}
HAZARDS = COMMON | {
    "label": "Hazards of death",
    "estimate": "hazards",
    "endpoint": "survival",
    "model": "cox",
    "ties": "efron",
}
RESPONSE = COMMON | {
    "label": "Response",
    "estimate": "proportion",
    "endpoint": "response",
    "of": ["CR"],
    "interval": "wilson",
}


def run(folder, multiplicity=None, **analyses):
    """Write the study, analyse it, and give results by name and the histories."""
    frame = two_arm_study(folder, analyses, multiplicity)
    protocol = read_protocol(folder)
    results = analyze(derive_all(protocol, read_records(folder, protocol)))
    return {result.id: result for result in results.results}, frame, results


def deaths(frame):
    table = frame.with_columns(
        day=pl.coalesce("died", "last"), status=pl.col("died").is_not_null().cast(pl.Int64)
    )
    return times_to_event(
        table.drop("died", "last"),
        time="day",
        status="status",
        event=1,
        censored=0,
        participant="participant_id",
    )


def relapses(frame):
    code = pl.when(pl.col("relapsed").is_not_null()).then(1).when(
        pl.col("died").is_not_null()
    ).then(2).otherwise(0)  # fmt: skip
    table = frame.with_columns(day=pl.coalesce("relapsed", "last"), status=code)
    return times_to_event(
        table,
        time="day",
        status="status",
        event=1,
        competing=2,
        censored=0,
        participant="participant_id",
    )


def test_comparisons_of_times(tmp_path):
    tests = ["log-rank", "max-combo", "at each time"]
    found, frame, _ = run(
        tmp_path,
        os=SURVIVAL | {"by": "arm", "compare": tests},
        sites=SURVIVAL | {"by": "arm", "compare": ["log-rank"], "strata": ["site"]},
        weighted=SURVIVAL | {"by": "arm", "compare": ["weighted log-rank"], "weight": [0.0, 1.0]},
        relapse=RELAPSE | {"by": "arm", "compare": ["gray"]},
    )
    outcomes = deaths(frame)
    assert found["os"].comparisons[0].statistic == compare_survival(outcomes).statistic
    assert len(found["os"].comparisons) == 3
    stratified = compare_survival(outcomes, strata=("site",))
    assert found["sites"].comparisons[0].statistic == stratified.statistic
    late = compare_survival(outcomes, weight=(0.0, 1.0))
    assert found["weighted"].comparisons[0].statistic == late.statistic
    gray = compare_incidence(relapses(frame))
    assert found["relapse"].comparisons[0].statistic == gray.statistic


def test_the_incidence_of_a_competing_cause(tmp_path):
    found, _, _ = run(tmp_path, relapse=RELAPSE, death=RELAPSE | {"of": "death"})
    curve = found["relapse"].groups[0].curve.frame
    other = found["death"].groups[0].curve.frame
    total = curve["estimate"] + other["estimate"] + curve["event_free"]
    assert total.to_list() == pytest.approx([1.0] * total.len())


def test_restricted_means(tmp_path):
    spec = COMMON | {
        "label": "Mean survival of half a year",
        "estimate": "restricted mean",
        "endpoint": "survival",
        "until": "180 d",
        "by": "arm",
        "compare": ["difference"],
    }
    found, frame, _ = run(tmp_path, rmst=spec)
    (contrast,) = found["rmst"].contrasts
    both = compare_restricted_means(deaths(frame), until=180.0, confidence=0.95, reference="none")
    assert contrast in both
    assert (contrast.first, contrast.second) == ("msc", "none")  # as a reader expects
    assert [group.mean.value for group in found["rmst"].groups] == pytest.approx(
        [
            sum(min(180, row["last"]) for row in rows.to_dicts()) / rows.height
            for arm in ("msc", "none")
            for rows in [frame.filter(pl.col("arm") == arm)]
        ]
    )  # nobody alive leaves before day 250, so the mean is of the days themselves


def test_models(tmp_path):
    fine_gray = HAZARDS | {"endpoint": "relapse", "model": "fine-gray", "ties": "breslow"}
    found, frame, _ = run(
        tmp_path,
        cox=HAZARDS | {"by": "arm", "covariates": ["age"], "strata": ["site"]},
        relapse=HAZARDS | {"endpoint": "relapse", "model": "cause-specific", "by": "arm"},
        fg=fine_gray | {"definition": "cmprsk", "covariates": ["age"]},
        firth=HAZARDS | {"by": "arm", "penalty": "firth", "ties": "breslow"},
    )
    (cox,) = found["cox"].models
    fit = fit_cox(
        deaths(frame),
        covariates=("arm", "age"),
        ties="efron",
        confidence=0.95,
        strata=("site",),
        references={"arm": "none"},
    )
    assert cox.coefficients.equals(fit.coefficients)
    assert found["cox"].tables[0].frame.height == 3  # arm, age, all together
    assert "cause-specific" in found["relapse"].models[0].method.lower()
    (fg,) = found["fg"].models
    direct = fit_fine_gray(
        relapses(frame),
        covariates=("age",),
        of="event",
        definition="cmprsk",
        ties="breslow",
        confidence=0.95,
    )
    assert fg.coefficients.equals(direct.coefficients)
    assert "irth" in found["firth"].models[0].method


def test_exposure_by_infusion(tmp_path):
    found, frame, _ = run(
        tmp_path,
        landmark=SURVIVAL | {"by_infusion": "msc", "landmark": "30 d", "compare": ["log-rank"]},
        changing=HAZARDS | {"by_infusion": "msc"},
    )
    outcomes = deaths(frame)
    taken = take_landmark(outcomes, day=30, exposure_day="infused")
    direct = compare_survival(taken, by="exposed")
    assert found["landmark"].comparisons[0].statistic == pytest.approx(direct.statistic)
    assert found["landmark"].excluded.height == (frame["last"] <= 30).sum()
    assert "landmark, day 30" in found["landmark"].note
    process = split_at_exposure(outcomes, exposure_day="infused")
    fit = fit_cox(process, covariates=("exposed",), ties="efron", confidence=0.95)
    value = found["changing"].models[0].coefficients["coefficient"][0]
    assert value == pytest.approx(fit.coefficients["coefficient"][0], rel=1e-12)


def test_groups_made_by_a_later_infusion_are_withheld_with_the_explanation(tmp_path):
    found, _, _ = run(tmp_path, given=SURVIVAL | {"by": "given", "compare": ["log-rank"]})
    (withheld,) = found["given"].withheld
    assert "immortal time" in withheld.why
    assert "`by_infusion: msc` with `landmark`" in withheld.why
    assert not found["given"].groups


def test_proportions(tmp_path):
    found, frame, _ = run(
        tmp_path,
        response=RESPONSE
        | {
            "by": "arm",
            "compare": ["fisher", "boschloo"],
            "difference": "newcombe",
            "prior": {"responses": 1, "others": 1, "source": "flat", "above": 0.2},
            "tipping_point": True,
        },
    )
    result = found["response"]
    judged = frame.filter(pl.col("response").is_not_null() | (pl.col("last") <= 110))
    assert sum(group.n for group in result.groups) <= judged.height
    labels = [group.label for group in result.groups]
    table = {
        group.label: [group.levels["CR"], group.n - group.levels["CR"]] for group in result.groups
    }
    assert labels == ["With MSC", "Without MSC"]
    assert result.contrasts[0] == estimate_difference(table, interval="newcombe", confidence=0.95)
    group = result.groups[0]
    assert group.posterior.value == pytest.approx((1 + group.levels["CR"]) / (2 + group.n))
    (tipping,) = result.tables
    missing = [
        frame.filter(pl.col("arm") == arm)["participant_id"].len() - group.n
        for arm, group in zip(("msc", "none"), result.groups, strict=True)
    ]
    assert tipping.frame.height == (missing[0] + 1) * (missing[1] + 1)


def test_events_that_recur(tmp_path):
    spec = COMMON | {
        "label": "Infections",
        "estimate": "mean events",
        "endpoint": "infections",
        "terminal": "survival",
        "at": ["100 d"],
        "by": "arm",
        "compare": ["difference at each time", "negative binomial"],
    }
    found, frame, _ = run(tmp_path, infections=spec)
    result = found["infections"]
    # everybody is observed to day 100 or dies before it, so the mean is that of the counts
    counts = frame.with_columns(
        n=pl.col("infections").list.eval(pl.element() <= 100).list.sum()
    ).group_by("arm").agg(pl.col("n").mean())  # fmt: skip
    expected = dict(counts.rows())
    for group, arm in zip(result.groups, ("msc", "none"), strict=True):
        assert group.estimates[0].value == pytest.approx(expected[arm])
    difference = result.contrasts[0].estimate.value
    assert difference == pytest.approx(expected["msc"] - expected["none"])
    assert result.models[0].scale == "rate ratio"


def test_subgroups_are_the_analysis_again(tmp_path):
    spec = SURVIVAL | {"by": "arm", "compare": ["log-rank"], "subgroups": ["site"]}
    found, frame, _ = run(tmp_path, os=spec)
    assert [part.level for part in found["os"].subgroups] == ["north", "south"]
    north = deaths(frame.filter((pl.col("site") == "north") & (pl.col("arm") == "msc")))
    computed = found["os"].subgroups[0].computed
    curve = estimate_survival(north, interval="log-log", confidence=0.95)
    assert computed.groups[0].estimates == estimate_at(curve, (180.0,))
    assert not computed.comparisons  # subgroups describe: nothing is tested in them


@pytest.mark.by_hand
def test_tests_that_share_an_error_rate(tmp_path):
    analyses = {
        "os": SURVIVAL | {"by": "arm", "compare": ["log-rank"]},
        "relapse": RELAPSE | {"by": "arm", "compare": ["gray"]},
    }
    plan = {"method": "holm", "alpha": 0.05, "analyses": ["os", "relapse"]}
    found, _, results = run(tmp_path, plan, **analyses)
    p = [found[name].comparisons[0].p_value for name in analyses]
    low, high = sorted(p)
    adjusted = {low: min(2 * low, 1), high: max(min(2 * low, 1), high)}
    assert [one.adjusted for one in results.multiplicity] == pytest.approx(
        [adjusted[value] for value in p]
    )
    assert "Holm" in results.joined


def test_a_hypothetical_event_censors_on_its_day(tmp_path):
    estimand = {
        "treatment": "MSC or none",
        "intercurrent": [
            {"event": "death", "handled": "composite"},
            {"event": "relapse", "handled": "hypothetical"},
        ],
    }
    found, frame, _ = run(tmp_path, os=SURVIVAL | {"estimand": estimand})
    cut = frame.filter(pl.col("relapsed") < pl.col("last"))
    dead = frame["died"].is_not_null().sum() - cut["died"].is_not_null().sum()
    assert found["os"].groups[0].levels["event"] == dead
    names = [attribute.name for attribute in found["os"].estimand]
    assert names[0] == "Population"
    assert "Intercurrent event: relapse" in names


def test_an_estimand_that_is_not_estimated_is_withheld(tmp_path):
    estimand = {
        "treatment": "MSC or none",
        "intercurrent": [{"event": "relapse", "handled": "principal stratum"}],
    }
    found, _, _ = run(tmp_path, os=SURVIVAL | {"estimand": estimand})
    assert "stratum cannot be found" in found["os"].withheld[0].why
    assert not found["os"].groups


def test_a_policy_of_which_nothing_was_recorded_is_withheld(tmp_path):
    # an event of which the day is the last observed: nothing after it is known
    frame = two_arm_study(
        tmp_path,
        {
            "os": SURVIVAL
            | {
                "estimand": {
                    "treatment": "MSC or none",
                    "intercurrent": [{"event": "lost", "handled": "treatment policy"}],
                }
            }
        },
    )
    events = tmp_path / "records" / "events.csv"
    leaving = frame.filter(pl.col("died").is_null()).head(3)
    lines = [f"{row['participant_id']},{row['last']},lost" for row in leaving.to_dicts()]
    events.write_text(events.read_text() + "\n".join(lines) + "\n")
    protocol = read_protocol(tmp_path)
    (result,) = analyze(derive_all(protocol, read_records(tmp_path, protocol))).results
    assert "what followed was not recorded" in result.withheld[0].why


def test_a_model_that_the_data_do_not_determine_is_withheld(tmp_path):
    spec = HAZARDS | {"covariates": ["constant"]}
    two_arm_study(tmp_path, {"cox": spec})
    path = tmp_path / "records" / "participants.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},constant", *(f"{row},1" for row in rows)]) + "\n")
    protocol = read_protocol(tmp_path)
    (result,) = analyze(derive_all(protocol, read_records(tmp_path, protocol))).results
    assert result.withheld[0].what == "the model"
    assert "constant" in result.withheld[0].why


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (HAZARDS | {"covariates": ["height"]}, "no column of the participants table"),
        (SURVIVAL | {"by": "height", "compare": ["log-rank"]}, "no column of the participants"),
        (SURVIVAL | {"compare": ["log-rank"]}, "has one group"),
        (HAZARDS | {"endpoint": "relapse", "by": "arm"}, "competing event"),
    ],
)
def test_what_a_protocol_cannot_ask_is_refused(tmp_path, spec, said):
    with pytest.raises(UsageError, match=said):
        run(tmp_path, one=spec)


def test_the_first_test_of_a_model_is_not_its_intercept(tmp_path):
    rates = COMMON | {
        "label": "Infections", "estimate": "mean events", "endpoint": "infections",
        "terminal": "survival", "at": ["100 d"], "by": "arm", "compare": ["negative binomial"],
    }  # fmt: skip
    analyses = {"os": SURVIVAL | {"by": "arm", "compare": ["log-rank"]}, "rates": rates}
    plan = {"method": "holm", "alpha": 0.05, "analyses": ["os", "rates"]}
    found, _, results = run(tmp_path, plan, **analyses)
    coefficients = found["rates"].models[0].coefficients
    assert coefficients["term"][0] == "intercept"
    assert results.multiplicity[1].p_value == coefficients["p_value"][1]


def test_of_a_reconstruction_nothing_of_single_participants_is_shown(tmp_path):
    analyses = {
        "response": RESPONSE
        | {"by": "arm", "compare": ["fisher"], "difference": "newcombe", "subgroups": ["site"]},
        "hazards": HAZARDS | {"by": "arm"},
        "other": HAZARDS | {"by": "arm"},
    }
    two_arm_study(tmp_path, analyses)
    for file in (tmp_path / "records").iterdir():
        text = file.read_text().replace("synthetic", "reconstruction")
        file.write_text(re.sub(r"^T(?=\d)", "R-T", text, flags=re.MULTILINE))
    (tmp_path / "published.yaml").write_text(
        "source: {text: Nowhere, seen: secondary}\n"
        "determines:\n  response: [value, levels, comparisons]\n  hazards: [levels]\n"
    )
    protocol = read_protocol(tmp_path)
    results = analyze(derive_all(protocol, read_records(tmp_path, protocol)), tmp_path).results
    response, hazards, other = results
    assert len(response.contrasts) == 1  # it follows from the counts
    assert response.comparisons
    assert not response.subgroups
    assert "subgroups" in [withheld.what for withheld in response.withheld]
    assert (hazards.models, hazards.tables, other.models, other.groups) == ((), (), (), ())
    assert {"models", "tables"} <= {withheld.what for withheld in hazards.withheld}


@pytest.mark.parametrize(
    "spec",
    [
        HAZARDS | {"covariates": ["given"]},
        SURVIVAL | {"by": "arm", "subgroups": ["given"]},
        SURVIVAL | {"by": "arm", "compare": ["log-rank"], "strata": ["given"]},
        RESPONSE | {"by": "given", "compare": ["fisher"]},
    ],
)
def test_immortal_time_enters_by_no_other_door(tmp_path, spec):
    found, _, _ = run(tmp_path, one=spec)
    assert "immortal time" in found["one"].withheld[0].why
    assert not found["one"].groups


def test_one_analysis_that_the_data_do_not_allow_stops_no_other(tmp_path):
    two_arm_study(
        tmp_path,
        {
            "rates": COMMON
            | {
                "label": "Infections",
                "estimate": "mean events",
                "endpoint": "infections",
                "terminal": "survival",
                "at": ["100 d"],
                "by": "arm",
                "compare": ["negative binomial"],
            },
            "cox": HAZARDS | {"by": "arm"},
            "death": RELAPSE | {"of": "death"},
            "os": SURVIVAL | {"by": "arm", "compare": ["log-rank"]},
        },
    )
    (tmp_path / "records" / "events.csv").write_text("participant_id,day,event\n")
    protocol = read_protocol(tmp_path)
    results = analyze(derive_all(protocol, read_records(tmp_path, protocol))).results
    rates, cox, death, survival = results
    assert [part.withheld[0].why for part in (rates, cox, death)]
    assert survival.groups[0].estimates[0].value == 1
    assert "fit_" not in cox.withheld[0].why


@pytest.mark.by_hand
@pytest.mark.parametrize("ends", ["ended", None])
def test_a_state_in_which_nobody_ever_was_has_the_probability_0(ends):
    history = StateHistory(
        pl.DataFrame(
            {"participant_id": ["a", "b"], "start": [0.0, 0.0], "stop": [60.0, 80.0],
             "entered": [ends, None], "state": [FREE, FREE]},
            schema_overrides={"entered": pl.String},
        )
    )  # fmt: skip
    spec = OccupationAnalysis(
        label="Never", role="secondary", set="everyone", estimate="state occupation",
        endpoint="state", end="survival", at=["70 d"], interval="log-log", confidence=0.95,
        mean_until="50 d",
    )  # fmt: skip
    curve, mean = _held(history, spec)
    assert estimate_at(curve, (70.0,))[0].value == 0
    assert (mean.value, mean.low) == (0, None)
