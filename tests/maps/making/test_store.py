"""Runs of other people, and what is left of damaged ones."""

import json

import pytest

from tests.support.small_cubes import small_cube
from timesenclip_hf.maps import MapRun, open_cube, open_map

LABELS = ["maize", "water"]


def test_a_strangers_run_that_asks_for_pickles_is_refused_before_it_is_opened(tmp_path, tiny_checkpoint):
    cube = open_cube(small_cube(4, 4))
    run = MapRun(cube, tmp_path / "run", LABELS, tiny_checkpoint)
    run.store.create(run.identity, run.recipe, run.cube, run.side)
    described = tmp_path / "run" / "map.zarr" / "class" / "zarr.json"
    content = json.loads(described.read_text())
    content["codecs"].append({"name": "numcodecs.pickle", "configuration": {"protocol": 5}})
    described.write_text(json.dumps(content))
    for opening in (open_map, lambda path: MapRun(cube, path, LABELS, tiny_checkpoint)):
        with pytest.raises(ValueError, match="is packed by 'pickle', which is not read"):
            opening(tmp_path / "run")


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "timesenclip_hf map 1"}', "[" * 100_000])
def test_a_run_with_a_damaged_manifest_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged: fetch the run again, or choose another output\."):
        open_map(tmp_path)
