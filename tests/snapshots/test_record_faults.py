"""Malformed records, each with the message it must end in, word for word."""

from pathlib import Path

import pytest

from stromal.core import RecordError
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.study_folder import PROTOCOL

FOLDERS = sorted((Path(__file__).parent / "records").iterdir())


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    file = tmp_path_factory.mktemp("protocol") / "protocol.yaml"
    file.write_text(PROTOCOL, encoding="utf-8")
    return read_protocol(file)


def test_there_are_at_least_twenty():
    assert len(FOLDERS) >= 20


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_malformed_records_are_refused_with_this_message(folder, protocol):
    expected = (folder / "expected.txt").read_text(encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_records(folder, protocol)
    assert f"{caught.value}\n" == expected
