import pickle

import pytest
import torch

from timesenclip_hf.data.photos.embedding_shards import read_embeddings
from timesenclip_hf.data.photos.upstream_embeddings import import_upstream_embeddings


def upstream(count=5, **others):
    vectors = {f"BE_{38_023_000 + number}{side}": torch.randn(1, 16) for number in range(count) for side in "WENS"}
    return {**vectors, **others}


def test_upstreams_dictionary_becomes_shards_with_the_same_vectors(tmp_path):
    vectors = upstream()
    torch.save(vectors, tmp_path / "lucas.pt")
    report = import_upstream_embeddings(tmp_path / "lucas.pt", tmp_path / "out", shard_size=7)
    assert (report.rows, report.size, report.problems) == (20, 16, [])
    rows = read_embeddings(tmp_path / "out", cache_dir=str(tmp_path / "cache")).with_format("torch")
    for row in rows:
        key = f"{row['country']}_{row['point_id']}{row['direction']}"
        assert torch.equal(row["embedding"], vectors[key][0])
        assert row["year"] == 2018


def test_entries_of_upstreams_dictionary_that_are_no_embedding_are_counted_and_named(tmp_path):
    odd = {
        "logit_scale": torch.zeros(1),
        "BE_38024000N": torch.full((1, 16), torch.nan),
        "BE_38024000E": torch.zeros(1, 8),
        "BE_38024000S": torch.zeros(2, 16),
    }
    torch.save(upstream(1, **odd), tmp_path / "lucas.pt")
    report = import_upstream_embeddings(tmp_path / "lucas.pt", tmp_path / "out")
    assert report.rows == 4
    assert {problem.source: problem.reason for problem in report.problems} == {
        "logit_scale": "key of another form",
        "BE_38024000N": "embedding not finite",
        "BE_38024000E": "embedding of another size",
        "BE_38024000S": "not one embedding",
    }


class RunsWhenOpened:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (RunsWhenOpened(), r"is refused: it holds (__builtin__|builtins).print, not only tensors"),
        ({"a": torch.zeros(1, 4)}, "no embedding under a key such as BE_38023110N: its first key is 'a'"),
        ([torch.zeros(1)], "it holds a list"),
        (b"PK damaged", "is refused: it holds unreadable bytes"),
    ],
)
def test_a_file_that_is_no_dictionary_of_embeddings_is_refused_and_nothing_of_it_runs(
    tmp_path, content, message, capsys
):
    file = tmp_path / "lucas.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, RunsWhenOpened):
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file)
    with pytest.raises(ValueError, match=message):
        import_upstream_embeddings(file, tmp_path / "out")
    assert "executed" not in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_missing_file_of_embeddings_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file of embeddings"):
        import_upstream_embeddings(tmp_path / "absent.pt", tmp_path / "out")
