import gzip
import io
import json
import pickle
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from tests.hub.conftest import CARD
from tests.support.vetted_files import dangerous_files, harmless_files, packed, secrets


@pytest.fixture
def vetting(script):
    return script("vetting")


def written(folder: Path, content: str | bytes, name: str = "README.md") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_filled_card_passes(vetting, tmp_path):
    listing = "```\n# a remark, with $name\n```"
    card = f"{CARD}\n## How\n### First\n{listing}\n\n| a | b |\n| --- | --- |\n| None of them | 1 |\n"
    vetting.check_card(written(tmp_path, card))


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ("# A thing\n", "names no licence"),
        (CARD.replace("license: mit", "license: [mit"), "is no YAML"),
        (CARD.replace("mit", "unknown"), "names no licence"),
        (CARD.replace("mit", "other"), "no section says which"),
        (CARD + "Trained on $data.\n", r"empty slots: `\$data`"),
        (CARD + "[More Information Needed]\n", "More Information Needed"),
        (CARD + "TODO\n", "`TODO`"),
        (CARD + "| minutes | None |\n", "`None`"),
        (CARD + "## Limits\n\n## Citation\nA paper.\n", "the section 'Limits'"),
        (CARD + "## Limits\n", "the section 'Limits'"),
        (CARD.replace("license: mit", "license: mit\ntags: []"), "`tags` of its head"),
    ],
)
def test_a_card_with_empty_slots_or_no_licence_is_refused_with_what_is_missing(vetting, tmp_path, card, sentence):
    with pytest.raises(ValueError, match=sentence):
        vetting.check_card(written(tmp_path, card))


def test_a_folder_without_a_card_is_refused(vetting, tmp_path):
    with pytest.raises(ValueError, match="has no card"):
        vetting.check_card(tmp_path / "README.md")


# Made here, so that no file of the repository seems to hold one.
SECRETS = [
    "hf_" + "aB3" * 11 + "x",
    "AKIA" + "ABCDEFGH12345678",
    "aws_secret_access_key = " + "abcd/+12" * 5,
    "-----BEGIN " + "RSA PRIVATE KEY-----",
    "-----BEGIN " + "PRIVATE KEY-----",
    "ghp_" + "aB3d" * 9,
    "AIza" + "aB-_3" * 7,
    "sk-" + "aB3_" * 9,
    "https://user:" + "secret" + "@example.org/data",
    "-----BEGIN " + "ENCRYPTED PRIVATE KEY-----",
    "ASIA" + "ABCDEFGH12345678",
    "github_pat_" + "A1b2" * 12,
    "xoxb-" + "1234567890-" * 3,
    "glpat-" + "aB3_" * 5,
    "SG." + "aB3_-x" * 3 + "abcd." + "aB3_-xy" * 6 + "z",
    "pypi-" + "AgEIcHlwaS5vcmc" + "aB3_" * 18,
    "AccountKey=" + "aB3/" * 21 + "ab==",
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0" + ".c2lnbmF0dXJl",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", [("", ""), ("token: ", "\n"), ("\0\xff" * 4_000, "\0")])
def test_a_secret_is_found_anywhere_and_never_repeated(vetting, tmp_path, secret, around):
    file = written(tmp_path, around[0] + secret + around[1], "config.json")
    with pytest.raises(ValueError, match=r"config\.json holds a") as refused:
        vetting.check_file(file, "config.json")
    assert secret[10:] not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "HF_TOKEN",
        "hf_hub_download",
        "hf_standin",
        "https://example.org/a@b",
        "sk-learn",
        "${user}:${password}@",
        "eyJust.words",
    ],
)
def test_what_only_resembles_a_secret_passes(vetting, tmp_path, text):
    vetting.check_file(written(tmp_path, text, "a.txt"), "a.txt")


def archive(**members: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "."), content)
    return memory.getvalue()


def saved(**options: bool) -> bytes:
    memory = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, memory, **options)
    return memory.getvalue()


def array(values: object) -> bytes:
    memory = io.BytesIO()
    np.save(memory, np.asarray(values, dtype=object), allow_pickle=True)
    return memory.getvalue()


PICKLES = {
    **{f"protocol {protocol}": pickle.dumps({"path": Path("a")}, protocol) for protocol in range(6)},
    "a plain one": pickle.dumps([1, 2]),
    "cut short": pickle.dumps([Path("a"), Path("b")])[:-3],
    "of torch": saved(),
    "of torch before 1.6": saved(_use_new_zipfile_serialization=False),
    "an array of objects": array([{"a": 1}]),
    "arrays of objects": archive(a__npy=array([{"a": 1}])),
    "in an archive": archive(inside__pkl=pickle.dumps(1)),
    "in an archive under another name": archive(inside__txt=pickle.dumps(Path("a"))),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_a_pickle_is_known_by_its_content_whatever_its_name(vetting, tmp_path, kind):
    with pytest.raises(ValueError, match="is a pickle"):
        vetting.check_file(written(tmp_path, PICKLES[kind], "weights.safetensors"), "weights.safetensors")


@pytest.mark.parametrize("where", ["weights", "a branch"])
def test_an_exported_tower_is_published_with_all_its_numbers_or_not_at_all(vetting, tmp_path, where):
    onnx = pytest.importorskip("onnx", reason="needs the extra export")
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1], data_location="EXTERNAL")
    tensor.external_data.add(key="location", value="weights.data")
    branch = onnx.helper.make_graph([], "branch", [], [], [tensor])
    node = onnx.helper.make_node("If", ["x"], ["y"], **({"then_branch": branch} if where == "a branch" else {}))
    graph = onnx.helper.make_graph([node], "tower", [], [], [tensor] if where == "weights" else [])
    content = onnx.helper.make_model(graph).SerializeToString()
    with pytest.raises(ValueError, match=r"tower\.onnx keeps its weights in another file: export it whole"):
        vetting.check_file(written(tmp_path, content, "tower.onnx"), "tower.onnx")


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".PKL", ".joblib"])
def test_the_name_of_a_pickle_is_enough(vetting, tmp_path, suffix):
    with pytest.raises(ValueError, match="is a pickle"):
        vetting.check_file(written(tmp_path, b"nothing", f"a{suffix}"), f"a{suffix}")


def test_nothing_of_a_pickle_is_run(vetting, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    with pytest.raises(ValueError, match="is a pickle"):
        vetting.check_file(written(tmp_path, pickle.dumps(Bomb()), "a.json"), "a.json")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("size", [1, 7, 40, 200])
def test_safetensors_arrays_archives_and_text_are_no_pickles(vetting, tmp_path, size):
    for count in range(1, size):
        save_file({f"weight{index}": np.ones(1, np.float32) for index in range(count)}, tmp_path / "a.safetensors")
        vetting.check_file(tmp_path / "a.safetensors", "a.safetensors")
    memory = io.BytesIO()
    np.savez(memory, series=np.ones((size, 12, 10), np.int16))
    texts = b"...", b"(1. 0.)", b"", b"N.", b"\x80\x02", b"click>=8\ndatasets>=5\n", b"import json\nimport re\n"
    for content in (memory.getvalue(), archive(a__py=b"import pickle"), *texts):
        assert vetting.find_objection(content) is None


@given(content=st.binary(max_size=200))
def test_no_bytes_bring_the_search_down(content):
    from hub import vetting

    assert vetting.find_objection(content) is None or content


def test_a_file_over_the_limit_is_refused_with_both_sizes(vetting, tmp_path):
    file = written(tmp_path, b"0" * 2_000, "a.txt")
    vetting.check_file(file, "a.txt", limit=2_000)
    with pytest.raises(ValueError, match=r"a\.txt has 2e-06 GB, the limit is 1e-06 GB: save it in parts"):
        vetting.check_file(file, "a.txt", limit=1_000)
    assert vetting.FILE_LIMIT == 50e9


@pytest.mark.parametrize("name", sorted(secrets()))
def test_none_of_many_made_up_secrets_passes_plain_or_packed(vetting, name):
    content = secrets()[name]
    assert "holds a" in vetting.find_objection(content)
    assert "holds a" in vetting.find_objection(packed(content))


@pytest.mark.parametrize("name", sorted(dangerous_files()))
def test_none_of_many_dangerous_files_passes(vetting, tmp_path, name):
    file = written(tmp_path, dangerous_files()[name], name)
    with pytest.raises(ValueError, match=rf"^{re.escape(name)} .*\.$"):
        vetting.check_file(file, name)


def test_our_own_files_pass(vetting):
    for file in harmless_files()[::20]:
        vetting.check_file(file, file.name)


def test_code_passes_where_it_is_ours_byte_by_byte(vetting, tmp_path):
    ours = Path(vetting.__file__)
    vetting.check_file(written(tmp_path, ours.read_bytes(), "copy.py"), "copy.py")
    with pytest.raises(ValueError, match="is code that is not in this repository"):
        vetting.check_file(written(tmp_path, ours.read_bytes() + b"\n", "copy.py"), "copy.py")


def test_configs_that_load_code_of_another_repository_are_refused(vetting, tmp_path):
    content = json.dumps({"auto_map": {"AutoModel": "somebody/else--modeling.Model"}})
    with pytest.raises(ValueError, match="names code of another repository"):
        vetting.check_file(written(tmp_path, content, "config.json"), "config.json")


def test_layers_are_unpacked_within_bounds(vetting):
    content = bytes(1 << 10)
    for _ in range(8):
        content = gzip.compress(content)
    assert "more than 6 layers" in vetting.find_objection(content)
    huge = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(huge.compress(bytes(1 << 20)) for _ in range(2)) + huge.flush()
    assert "unpacks to more than 1,000,000 bytes" in vetting.find_objection(bomb, limit=1_000_000)


def test_what_cannot_be_opened_is_refused(vetting):
    assert "cannot be opened here" in vetting.find_objection(b"7z\xbc\xaf\x27\x1c" + bytes(20))


def test_words_that_follow_each_other_are_no_split_token(vetting):
    words = "\n".join(["hf_", "Corn", "field", "s2", "B4", "of", "the", "Year", "winter", "wheat", "maize1"] * 20)
    assert vetting.find_objection(words.encode()) is None
