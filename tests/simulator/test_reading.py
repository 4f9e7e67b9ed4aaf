import json
from dataclasses import dataclass

import pytest

from timesenclip_hf.simulator import reading
from timesenclip_hf.simulator.reading import read_record, read_table


@dataclass(frozen=True)
class Plant:
    name: str
    heights: tuple[float, ...] = (1.0, 2.0)


@pytest.mark.parametrize("path", sorted(reading._FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_table_can_be_read_and_says_what_its_values_are(path) -> None:
    assert read_table(path.stem).keys().isdisjoint({"note", "notes", "source"})
    assert len(json.loads(path.read_text())["note"]) > 40


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"note": "n", "a": {"b": 1, "b": 2}}', "'b' is written twice"), ('{"a": 1}', "table odd .* needs a `note`")],
)
def test_a_table_with_a_field_twice_or_without_a_note_is_refused(tmp_path, monkeypatch, text, message) -> None:
    (tmp_path / "odd.json").write_text(text)
    monkeypatch.setattr(reading, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=message):
        read_table("odd")


def test_a_record_takes_what_is_absent_from_its_class_and_lists_become_tuples() -> None:
    assert read_record(Plant, {"name": "reed", "heights": [2, 3], "note": "tall"}, "reed") == Plant("reed", (2, 3))
    assert read_record(Plant, {"name": "moss"}, "moss") == Plant("moss", (1.0, 2.0))


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [({"name": "reed", "colour": 1}, "unexpected .* 'colour'"), ({"heights": []}, "missing .* 'name'")],
)
def test_a_record_with_an_unknown_field_or_without_a_needed_one_is_refused(entry, complaint) -> None:
    with pytest.raises(ValueError, match=f"'reed' cannot be used: .*{complaint}"):
        read_record(Plant, entry, "reed")
