import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from tests.support.fitted_sets import fitted_from, random_words
from timesenclip_hf.labelling.label_set_files import read_label_set, write_label_set
from timesenclip_hf.models.timesenclip.label_set_timesenclip import TENSORS, LabelSet

CONTENT = {
    "format": "timesenclip_hf label set 1",
    "phrases": {"a": ["a"], "b": ["b"]},
    "templates": ["{}"],
    "score_scale": 10.0,
    "weights_hash": "0" * 16,
    "fit": {"examples": {"a": 1, "b": 2}, "penalty": 1.0, "scores": {}},
}
EMBEDS = torch.eye(2)


def same(one: LabelSet, other: LabelSet) -> bool:
    names = ("phrases", "templates", "score_scale", "weights_hash", "fit")
    tensors = [(getattr(one, name), getattr(other, name)) for name in TENSORS]
    equal = all(first is second is None or torch.equal(first, second) for first, second in tensors)
    return equal and all(getattr(one, name) == getattr(other, name) for name in names)


@pytest.mark.parametrize("label_set", [random_words(), fitted_from(random_words(5), with_values=3)])
def test_a_label_set_that_was_written_is_read_as_it_was(label_set, tmp_path):
    write_label_set(label_set, tmp_path / "crops.labels")
    assert same(read_label_set(tmp_path / "crops.labels"), label_set)


def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "crops.labels"
    write_label_set(random_words(seed=1), path)
    with pytest.raises(FileExistsError, match="is there already"):
        write_label_set(random_words(seed=2), path)
    assert same(read_label_set(path), random_words(seed=1))
    write_label_set(random_words(seed=2), path, overwrite=True)
    assert same(read_label_set(path), random_words(seed=2))
    with pytest.raises(ValueError, match=r"ends in \.labels, got 'crops.json'"):
        write_label_set(random_words(), tmp_path / "crops.json")


def test_a_set_that_is_read_does_not_change_with_its_file(tmp_path):
    path = tmp_path / "crops.labels"
    write_label_set(random_words(seed=1), path)
    read = read_label_set(path)
    write_label_set(random_words(seed=2), path, overwrite=True)
    assert torch.equal(read.class_embeds, random_words(seed=1).class_embeds)


def write(path, content=CONTENT, tensors=None, entry="label_set"):
    text = content if isinstance(content, str) else json.dumps(content)
    save_file({"class_embeds": EMBEDS} if tensors is None else tensors, path, metadata={entry: text})
    return path


def test_the_least_that_a_file_must_hold_is_read(tmp_path):
    assert read_label_set(write(tmp_path / "x.labels")).labels == ["a", "b"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": "another"}, "no label set of this version"),
        ({"phrases": {"a": ["a"]}}, "`class_embeds` of 1 classes must be"),
        ({"phrases": {"a": ["a"], "b": 3}}, "fields are not those of a label set"),
        ({"phrases": ["a", "b"]}, "fields are not those of a label set"),
        ({"phrases": {"a": ["a"], "b": []}}, "empty phrase"),
        ({"phrases": {"a": ["a"], "b\x1b[2J": ["b"]}, "fit": None}, "has control characters: rename it"),
        ({"phrases": {"a": ["a"], "b\nc": ["b"]}, "fit": None}, "has control characters: rename it"),
        ({"phrases": {"a": ["a"], "b" * 2000: ["b"]}, "fit": None}, "too long for words"),
        ({"phrases": {"a": ["a" * 2000], "b": ["b"]}}, "too long for words"),
        ({"templates": "a"}, "fields are not those of a label set"),
        ({"templates": [1]}, "fields are not those of a label set"),
        ({"score_scale": "ten"}, "fields are not those of a label set"),
        ({"score_scale": True}, "fields are not those of a label set"),
        ({"score_scale": float("nan")}, "must be above 0"),
        ({"score_scale": 10**400}, "fields are not those of a label set"),
        ({"weights_hash": 3}, "fields are not those of a label set"),
        ({"fit": 3}, "fields are not those of a label set"),
        ({"fit": {"examples": {"a": -1, "b": 2}, "penalty": None, "scores": {}}}, "fields are not those"),
        ({"fit": {"examples": {"a": 1}, "penalty": None, "scores": {}}}, "counted for each of its labels"),
        ({"fit": {"examples": {"a": 1, "b": 2}, "penalty": None, "scores": []}}, "fields are not those"),
        ({"fit": {"examples": {"a": 1, "b": 2}, "penalty": None}}, "fields are not those of a label set"),
    ],
)
def test_a_file_that_says_something_else_is_refused_in_one_sentence(changed, message, tmp_path):
    path = write(tmp_path / "x.labels", {**CONTENT, **changed})
    with pytest.raises(ValueError, match=message) as error:
        read_label_set(path)
    assert "\n" not in str(error.value)
    assert "x.labels" in str(error.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"class_embeds": torch.full((2, 2), float("inf"))}, "not finite"),
        ({"class_embeds": EMBEDS.double()}, "F64 in place of float32"),
        ({"class_embeds": torch.zeros(2, 2, 2)}, "3 axes of 'class_embeds'"),
        ({"class_embeds": EMBEDS, "code": EMBEDS.clone()}, "not those of a label set"),
        ({"biases": torch.zeros(2)}, "not those of a label set"),
        ({"class_embeds": EMBEDS, "value_weights": torch.zeros(2, 12)}, "of twelve months"),
    ],
)
def test_tensors_of_other_names_shapes_and_types_are_refused(tensors, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_label_set(write(tmp_path / "x.labels", tensors=tensors))


def header(path, content: bytes, length: int | None = None, values: bytes = b""):
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content + values)
    return path


DEEP = b'{"__metadata__": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
SHAPE = b'{"class_embeds": {"dtype": "F32", "shape": [1000000, 1000000], "data_offsets": [0, 4]}}'


@pytest.mark.parametrize(
    ("content", "length", "message"),
    [
        (b"", 2**63, "cut short, or no safetensors"),
        (b"", 100, "cut short, or no safetensors"),
        (b"not json", None, "header is not read"),
        (b"\xff\xfe\x00", None, "header is not read"),
        (b"[]", None, "header is not read"),
        (b'{"class_embeds": 3}', None, "header is not read"),
        (b'{"class_embeds": {}, "class_embeds": {}}', None, "header is not read"),
        (b'{"class_embeds": {"shape": 3}}', None, "without a shape"),
        (b'{"class_embeds": {"shape": [-1]}}', None, "without a shape"),
        (SHAPE, None, "1,000,000 numbers along an axis of 'class_embeds'"),
        (DEEP, None, "header is not read"),
        (b" " * (17 * 2**20), None, "bytes of metadata"),
        (b'{"__metadata__": {"label_set": 3}}', None, "no label set of this version"),
        (b"{}", None, "no label set of this version"),
    ],
    ids=range(14),
)
def test_a_header_that_lies_is_refused_before_the_library_reads_it(content, length, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_label_set(header(tmp_path / "x.labels", content, length))


def test_offsets_that_lie_outside_the_file_or_over_each_other_are_refused(tmp_path):
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    metadata = {"__metadata__": {"label_set": json.dumps(CONTENT)}}
    for entries in ({"class_embeds": tensor}, {"class_embeds": tensor, "biases": {**tensor, "shape": [2]}}):
        content = json.dumps({**metadata, **entries}).encode()
        with pytest.raises(ValueError, match=r"x.labels is damaged or cut short: fetch it again"):
            read_label_set(header(tmp_path / "x.labels", content, values=b"\0" * 8))


def test_nested_texts_and_fields_written_twice_are_refused(tmp_path):
    twice = json.dumps(CONTENT)[:-1] + ', "fit": null}'
    for text in (twice, "{", "[" * 100_000, "null"):
        with pytest.raises(ValueError, match="no label set of this version"):
            read_label_set(write(tmp_path / "x.labels", text))


def test_what_is_no_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_label_set(tmp_path / "absent.labels")
    with pytest.raises(FileNotFoundError, match="is a folder, no file"):
        read_label_set(tmp_path)
    (tmp_path / "short.labels").write_bytes(b"abc")
    with pytest.raises(ValueError, match="cut short, or no safetensors"):
        read_label_set(tmp_path / "short.labels")
