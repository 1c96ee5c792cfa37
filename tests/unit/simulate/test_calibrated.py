"""The file of calibrated parameter sets."""

import pytest

from stromal.core import UsageError
from stromal.simulate.assumptions import Override
from stromal.simulate.calibrated import calibrated_sets, read_sets
from stromal.simulate.population import overridden


def test_a_row_is_a_set_of_values_and_spreads(tmp_path):
    file = tmp_path / "sets.csv"
    file.write_text("death,graft_output.spread,graft_output\n0.001,0.5,0.004\n0,0.6,0.005\n")
    one, two = read_sets(file)
    assert one == {
        "death": Override(value=0.001), "graft_output": Override(value=0.004, spread=0.5)
    }  # fmt: skip
    assert two["death"].value == 0
    assert two["graft_output"].spread == 0.6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deaths\n0.1\n", "`deaths` is no parameter"),
        ("death.sd\n0.1\n", "`death.sd` is no parameter"),
        ("death\nfew\n", "no numbers from 0"),
        ("death\n-0.1\n", "no numbers from 0"),
        ("death,infection\n0.1,\n", "`infection` holds cells"),
        ("death\nnan\n", "no numbers from 0"),
        ("death\n", "no parameter set"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path, text, said):
    file = tmp_path / "sets.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_sets(file)


def test_the_packaged_sets_are_parameters_and_differ():
    sets = calibrated_sets()
    assert len({repr(one) for one in sets}) == len(sets) >= 100
    assert overridden(sets[0])["niche_repair"].value == sets[0]["niche_repair"].value


def test_a_caller_cannot_change_what_the_next_one_gets():
    calibrated_sets().clear()
    assert calibrated_sets()
