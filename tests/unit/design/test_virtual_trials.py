"""Banks and trials: who enters, who is the same, and what is counted."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from stromal.core import ProtocolError, UsageError
from stromal.design.bank import Biology, bank_of_frames, frames_of_bank, make_bank
from stromal.design.grid import AS_PLANNED, Grid, settings_of
from stromal.design.scenario import read_scenario
from stromal.design.simulation import Budget, one_trial, simulate
from stromal.design.study_folder import write_study
from stromal.design.trials import count_trials, live_trials
from stromal.endpoints.derive import derive, derive_all
from stromal.endpoints.screening import screen
from stromal.protocol import read_protocol
from stromal.records import read_records
from stromal.simulate.assumptions import Override
from stromal.simulate.population import overridden

STUDY = Path(__file__).parents[3] / "studies" / "msc4pgf"
COMMON = {
    "niche_damaged": {"value": 0.9},
    "damaged_capacity": {"value": 0.014},
    "niche_repair": {"value": 0.001},
}
"""Poor graft function in most people, so that a bank is filled quickly."""
CHANGES = {"calibrated": False, "parameters": COMMON, "msc": {"effect": 0.02, "delay": "3 d"}}
LABELS = {"scenario": "assumed", "variant": AS_PLANNED, "parameter_set": 0}


def settings(changes=None, axes=None):
    """Give the null and the assumed setting of the study, with poor graft function common."""
    _, content = read_scenario(STUDY)
    own = {**CHANGES, **(changes or {})}
    grid = Grid.model_validate(
        {"stromal_grid": 1, "text": "-", "scenarios": {"assumed": own}, "axes": axes or {}}
    )
    return settings_of(STUDY, {**content, **CHANGES}, grid)


@pytest.fixture(scope="module")
def setting():
    return settings()[1]


def biology(setting, number=0):
    return Biology(overridden(setting.scenario.parameters), 1, number)


@pytest.fixture(scope="module")
def bank(setting):
    return make_bank(setting.protocol, setting.scenario, biology(setting), 40)


def lived(setting, bank, numbers, **options):
    return live_trials(setting.protocol, setting.scenario, biology(setting, 1), bank,
                       np.array(numbers), **options)  # fmt: skip


# --- the bank --------------------------------------------------------------------------------


def test_everyone_in_the_bank_has_poor_graft_function_known_the_day_before_entry(setting, bank):
    """The rule needs 14 days from day 28 on: days 28 to 41, so nobody enters before day 42."""
    assert bank.size == 40
    assert bank.screened >= 40
    assert bank.entry.min() >= 42
    assert bank.entry.max() <= setting.scenario.entry.by
    last = bank.history["measurements"].group_by("p").agg(pl.col("day").max()).sort("p")
    assert (last["day"].to_numpy() == bank.entry - 1).all()


def test_a_smaller_bank_is_the_beginning_of_a_larger_one(setting, bank):
    small = make_bank(setting.protocol, setting.scenario, biology(setting), 15)
    for few, many in zip(small.cohort, bank.cohort, strict=True):
        assert np.array_equal(few, many[:15])
    assert np.array_equal(small.entry, bank.entry[:15])
    assert_frame_equal(small.people, bank.people.head(15))
    assert small.screened <= bank.screened


def test_a_bank_is_the_same_from_its_tables(bank):
    again = bank_of_frames(frames_of_bank(bank))
    for one, other in zip(bank.cohort, again.cohort, strict=True):
        assert np.array_equal(one, other)
        assert one.dtype == other.dtype
    assert np.array_equal(again.entry, bank.entry)
    assert_frame_equal(again.people, bank.people)
    assert again.screened == bank.screened


def test_nobody_enters_whom_the_protocol_excludes():
    """Nobody over 60, nobody without consent: of those screened, the share that may enter."""
    own = settings(
        {
            "attested": {"consent": 0.5},
            "people": {
                "age": {"mean": 60, "sd": 10, "from": 14, "to": 80},
                "kps": {"shares": {"60": 0.0, "70": 0.0, "80": 1.0, "90": 0.0}},
            },
        }
    )[1]
    found = make_bank(own.protocol, own.scenario, biology(own), 20)
    assert found.people["age"].max() <= 60
    assert found.screened > 60


def test_people_who_cannot_be_judged_are_told_with_the_reason():
    own = settings({"people": {"kps": None}})[1]
    with pytest.raises(UsageError, match=r"cannot say.*kps.*people"):
        make_bank(own.protocol, own.scenario, biology(own), 5, most=500)


def test_a_trial_that_nothing_opens_says_so():
    own = settings({"parameters": {"niche_damaged": {"value": 0.0}}})[1]
    quick = own.scenario.entry.model_copy(update={"by": 45})
    scenario = own.scenario.model_copy(update={"entry": quick})
    with pytest.raises(UsageError, match=r"`poor_graft_function` opened the trial for nobody"):
        make_bank(own.protocol, scenario, biology(own), 5, most=500)


# --- trials ----------------------------------------------------------------------------------


def test_all_who_are_in_a_trial_are_eligible_by_their_records(setting, bank):
    """But those who relapse on the very day of entry, which poor graft function excludes."""
    trial = lived(setting, bank, [0])
    verdicts = screen(derive_all(setting.protocol, trial.records()))["verdict"]
    that_day = trial.stretch.course.relapse == trial.stretch.first
    assert that_day.sum() <= 2
    assert set(verdicts.filter(~that_day)) == {"eligible"}


def test_a_trial_is_the_same_alone_and_among_others(setting, bank):
    together = lived(setting, bank, [0, 1, 2])
    alone = lived(setting, bank, [1])
    few = together.stretch.course
    for whole, one in zip(few, alone.stretch.course, strict=True):
        assert np.array_equal(whole[68:136], one, equal_nan=True)
    counted = count_trials(together, LABELS)["trials"].filter(pl.col("trial") == 1)
    assert_frame_equal(counted, count_trials(alone, LABELS)["trials"])


def test_trials_of_two_sizes_see_the_same_people(setting, bank):
    """Participant i of trial t is the same person in a trial of 68 and in one of 20."""
    design = setting.protocol.design.model_copy(update={"enrolment": 20})
    small = replace(setting, protocol=setting.protocol.model_copy(update={"design": design}))
    whole, few = lived(setting, bank, [0, 3]), lived(small, bank, [0, 3])
    for trial in (0, 1):
        of_many = slice(trial * 68, trial * 68 + 20)
        of_few = slice(trial * 20, trial * 20 + 20)
        assert np.array_equal(whole.picked[of_many], few.picked[of_few])
        counts = whole.stretch.course.anc[of_many], few.stretch.course.anc[of_few]
        assert np.array_equal(*counts, equal_nan=True)


def test_variants_of_the_draws_see_the_same_people(bank):
    """With nobody transfused the blood is the same whoever looks at it."""
    never = {f"{name}_trigger{end}": {"value": 0.0} for name, end in
             (("platelet", ""), ("platelet", "_infected"), ("hb", ""))}  # fmt: skip
    axes = {"draws": {
        "daily": {},
        "weekly": {"protocol": {"draws": [{"analytes": ["ANC", "PLT", "Hb"], "from": "first_msc",
                                           "until": "10 wk", "every": "7 d"}]}},
    }}  # fmt: skip
    found = settings({"parameters": {**COMMON, **never, "blood_drawn": {"value": 0.0}}}, axes)
    daily, weekly = (one for one in found if one.name == "assumed")
    assert daily.variant == "daily"
    first, second = (lived(one, bank, [0]) for one in (daily, weekly))
    assert np.array_equal(first.picked, second.picked)
    for name in ("true_anc", "true_platelets", "true_hb", "death", "relapse"):
        one, two = (getattr(t.stretch.course, name) for t in (first, second))
        assert np.array_equal(one, two, equal_nan=True), name
    drawn = [(~np.isnan(t.stretch.course.anc)).sum() for t in (first, second)]
    assert drawn[1] < drawn[0] / 5


def test_the_null_scenario_has_the_same_people_and_no_effect(bank):
    null, assumed = settings()
    assert null.name == "null"
    assert null.scenario.msc.effect == 0.0
    one, two = (lived(own, bank, [0]) for own in (null, assumed))
    before = one.stretch.course.true_anc[:, :3]  # no effect within its delay of 3 days
    assert np.array_equal(before, two.stretch.course.true_anc[:, :3], equal_nan=True)
    late = slice(40, 60)
    assert (np.nanmean(two.stretch.course.true_anc[:, late])
            > np.nanmean(one.stretch.course.true_anc[:, late]))  # fmt: skip


def test_successes_of_trials_are_binomial_with_the_rate_of_other_trials(setting, bank):
    """Participants are drawn alike and apart, so a trial's successes are Binomial(68, q)."""
    frames = [count_trials(lived(setting, bank, range(begin, begin + 100)), LABELS)["trials"]
              for begin in (0, 1000)]  # fmt: skip
    q = frames[1]["events"].sum() / frames[1]["n"].sum()
    events = frames[0].filter(pl.col("n") == 68)["events"].to_numpy()
    assert events.size == 100
    edges = stats.binom.ppf([0.2, 0.4, 0.6, 0.8], 68, q)
    seen = np.bincount(np.searchsorted(edges, events, side="left"), minlength=5)
    cumulative = np.append(stats.binom.cdf(edges, 68, q), 1.0)
    expected = np.diff(np.insert(cumulative, 0, 0.0)) * events.size
    assert stats.chisquare(seen, expected).pvalue > 0.001
    # the rate of 100 trials, with the error of both runs
    error = np.sqrt(2 * q * (1 - q) / (68 * 100))
    assert abs(events.mean() / 68 - q) < 4 * error


# --- whole runs ------------------------------------------------------------------------------

SMALL = Budget(trials=6, sets=1, bank=15, seed=7)


def test_the_numbers_do_not_depend_on_workers_or_on_being_resumed(tmp_path):
    whole = simulate(settings(), SMALL, workers=1)
    pooled = simulate(settings(), SMALL, folder=tmp_path / "kept", workers=2)
    assert pooled.checksum == whole.checksum
    files = sorted((tmp_path / "kept" / "trials").glob("*.parquet"))
    files[0].unlink()
    seen: list[tuple[str, int]] = []
    resumed = simulate(settings(), SMALL, folder=tmp_path / "kept", workers=1,
                       progress=lambda what, done, _: seen.append((what, done)))  # fmt: skip
    assert resumed.checksum == whole.checksum
    assert ("trials", len(files) - 1) in seen
    assert ("trials", 0) not in seen
    other = simulate(settings(), Budget(trials=6, sets=1, bank=15, seed=8), workers=1)
    assert other.checksum != whole.checksum


def test_the_actual_alpha_moves_with_the_draws_and_strict_days_lose_all_power():
    """Seven consecutive days cannot be shown by three draws a week: no trial can reject."""
    axes = {"draws": {
        "daily": {},
        "Mon Wed Fri": {"protocol": {"draws": [{
            "analytes": ["ANC", "PLT", "Hb"], "from": "first_msc", "until": "10 wk",
            "on": ["Mon", "Wed", "Fri"]}]}},
    }}  # fmt: skip
    run = simulate(settings(axes=axes), Budget(trials=30, bank=60, seed=3), workers=1)
    cells = run.characteristics
    daily, sparse = (cells.cell("null", variant) for variant in ("daily", "Mon Wed Fri"))
    assert sparse.arms[0].success_rate.value == 0.0
    assert sparse.rejecting.value == 0.0
    assert cells.cell("assumed", "Mon Wed Fri").rejecting.value == 0.0
    assert daily.arms[0].success_rate.value > 0.1
    rates = {one.variant: one for one in cells.rates}
    assert rates["daily"].nominal_at == pytest.approx(0.5)
    assert rates["daily"].null_rate.value == daily.arms[0].success_rate.value
    truths = {one.truth: one.rate.value for one in sparse.arms[0].truths}
    assert truths["latent"] > 0.1
    assert truths["measured daily"] > 0.1
    assert cells.statements[0].startswith("The effect of MSC in each scenario is an assumption")


def test_a_trial_written_and_read_back_gives_the_same_outcomes_bit_for_bit(tmp_path):
    own = settings()[1]
    trial = one_trial(own, SMALL, 2)
    folder = tmp_path / "trial"
    written = write_study(trial, STUDY, folder, SMALL.seed, [("scenario.yaml", own.scenario.amend)])
    protocol = read_protocol(folder)
    assert protocol == own.protocol
    read = read_records(folder, protocol)
    assert read.about.data == "synthetic"
    assert not [one for one in read.findings if one.weight == "contradiction"]
    assert_frame_equal(derive(protocol, read), derive(own.protocol, written), check_exact=True)
    assert_frame_equal(
        read["measurements"].select("participant_id", "day", "analyte", "value", "low", "high"),
        written["measurements"].select("participant_id", "day", "analyte", "value", "low", "high"),
        check_exact=True, check_row_order=False,
    )  # fmt: skip
    # the counts of a run are those of the folder
    run = simulate([settings()[0], own], SMALL, workers=1)
    row = run.frames["trials"].filter(pl.col("trial") == 2, pl.col("scenario") == "assumed")
    context = derive_all(protocol, read)
    of = pl.col("status").is_in(["CR", "PR"])
    assert context.derived["platelet_response"].select(of.sum()).item() == row["events"].item()
    # written again over itself, but never over something else
    write_study(trial, STUDY, folder, SMALL.seed, [("scenario.yaml", own.scenario.amend)])
    with pytest.raises(UsageError, match="study's own folder"):
        write_study(trial, STUDY, STUDY, 1, [])
    shutil.rmtree(folder / "records")
    with pytest.raises(UsageError, match="is not empty and holds no virtual trial"):
        write_study(trial, STUDY, folder, 1, [])


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"entry": {"endpoint": "recovery", "by": "60 d"}}, "no endpoint of the protocol"),
        ({"anchors": {"birth": "0 d"}}, "no anchor of the protocol"),
        ({"attested": {"luck": 0.5}}, "no attested criterion"),
        ({"decision": {"analysis": "overall_survival"}}, "not a proportion"),
        ({"parameters": {"luck": {"value": 1}}}, "no parameter of the virtual participant"),
    ],
)
def test_a_scenario_that_names_what_is_not_there_is_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        simulate(settings(changes), SMALL, workers=1)


def test_a_protocol_without_draws_needs_the_scenario_to_say_them(bank):
    own = settings()[1]
    protocol = own.protocol.model_copy(update={"draws": "not stated"})
    with pytest.raises(UsageError, match="does not state on which days blood is drawn"):
        live_trials(protocol, own.scenario, biology(own, 1), bank, np.array([0]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stromal_scenario: 1\ntext: x\n", "`msc` is missing"),
        ("stromal_scenario: 2\ntext: x\nmsc: {effect: 0}\n", "stromal_scenario"),
        ("[1]", "no mapping of keys"),
    ],
)
def test_a_faulty_scenario_is_told_with_its_line(tmp_path, text, said):
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    with pytest.raises(ProtocolError, match=said):
        read_scenario(file)


def test_a_faulty_amendment_names_where_it_stands():
    _, content = read_scenario(STUDY)
    content = {
        **content,
        **CHANGES,
        "amend": {
            "draws": [{"analytes": ["ANC"], "from": "nowhere", "until": "8 wk", "on": "daily"}]
        },
    }
    with pytest.raises(ProtocolError, match=r"as amended by scenario\.yaml"):
        settings_of(STUDY, content, None)


def test_overrides_change_value_or_spread_alone():
    found = overridden({"graft_output": Override(spread=0.1)})
    assert found["graft_output"].spread == 0.1
    assert found["graft_output"].value == overridden({})["graft_output"].value
