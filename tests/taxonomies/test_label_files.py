from pathlib import Path
from typing import Any

import pytest

from timesenclip_hf.taxonomies.label_files import read_label_file


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("classes.txt", "\ufeffrapeseed\n\n# crops\n winter wheat \n", ["rapeseed", "winter wheat"]),
        ("classes.csv", "rapeseed\nmaize\n", ["rapeseed", "maize"]),
        ("classes.csv", 'code,label\n1,rapeseed\n2,"oats, spring"\n', ["rapeseed", "oats, spring"]),
        ("classes.csv", "code;Name\n1;rapeseed\n2;maize\n", ["rapeseed", "maize"]),
        (
            "classes.csv",
            "label,phrase\nmaize,corn\nmaize,maize\nlake,\n",
            {"maize": ["corn", "maize"], "lake": ["lake"]},
        ),
        ("legend.csv", "label,class_name,r,g,b\n1,maize,255,0,0\n2,lake,0,0,255\n", ["maize", "lake"]),
        ("legend.tsv", "code\tname\n1\tmaize\n2\tlake\n", ["maize", "lake"]),
        ("classes.json", '["maize", "lake"]', ["maize", "lake"]),
        ("classes.json", '{"classes": ["maize", "lake"]}', ["maize", "lake"]),
        ("legend.json", '{"maize": 1, "lake": 60}', {"maize": 1, "lake": 60}),
    ],
)
def test_class_names_are_read_from_every_form_of_file(name: str, text: str, expected: Any, tmp_path: Path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_label_file(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classes.txt", b"# nothing\n", "classes.txt holds no label: write one name a line"),
        ("classes.txt", "Äcker".encode("latin-1"), "is no text in UTF-8"),
        ("classes.csv", b"a,b\n1,2\n", "has no column 'label', 'name' or 'class': its columns are a, b"),
        ("legend.csv", b"class,colour\n1,#ff0000\n2,#0000ff\n", "has '1' in place of the name of a class: write one"),
        ("qgis.txt", b"INTERPOLATION:EXACT\n1,255,0,0,255,maize\n", "has '1,255,0,0,255,maize' in place of the name"),
        ("gdal.txt", b"1 255 0 0 maize\n2 0 0 255 lake\n", "has '1 255 0 0 maize' in place of the name of a class"),
        ("classes.json", b"[1, 2]", "must hold a list of labels or"),
        ("classes.json", b'{"a": 1, "a": 2}', "the field 'a' is written twice"),
    ],
)
def test_a_file_without_class_names_is_refused_in_one_sentence(name: str, content: bytes, message: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_label_file(tmp_path / name)
    assert "\n" not in str(error.value)
