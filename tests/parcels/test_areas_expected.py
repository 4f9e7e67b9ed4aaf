"""The areas that a map expects are the sums of its probabilities, and are not there without them."""

import numpy as np
import pytest

pytest.importorskip("geopandas", reason="needs the extra data")
pytest.importorskip("rasterio", reason="needs the extra map")
from tests.support.small_cubes import small_cube
from timesenclip_hf.maps import MapOptions, MapRun, open_cube, open_map, write_map
from timesenclip_hf.parcels import expected_areas, read_class_map
from timesenclip_hf.parcels.expectations import NOT_CALIBRATED, expected_beside

LABELS = "maize,water"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, options in (("kept", MapOptions(embeddings="float16")), ("bare", MapOptions())):
        run = MapRun(open_cube(small_cube(20, 15), chunks=8), folder / f"{name}.run", LABELS, options=options)
        write_map(run.execute(progress=False)[""].drop_vars("embeddings", errors="ignore"), folder / f"{name}.tif")
    return folder


def test_expected_areas_are_the_sums_of_the_probabilities(folder):
    mapped = open_map(folder / "kept.run")
    best, codes = mapped["probability"].values, mapped["class"].values
    maize = np.where(codes == 1, best, 1 - best).sum() / 100  # of two classes the other has the rest
    expected = expected_areas(folder / "kept.run", read_class_map(folder / "kept.tif"))
    np.testing.assert_allclose(expected.hectares, [maize, codes.size / 100 - maize], atol=0.002)
    assert expected_beside(read_class_map(folder / "kept.tif"))[0].hectares.tolist() == expected.hectares.tolist()
    assert expected.note == NOT_CALIBRATED


def test_without_embeddings_or_a_run_there_are_none_and_the_note_says_why(folder, tmp_path):
    expected, note = expected_beside(read_class_map(folder / "bare.tif"))
    assert expected is None
    assert "bare.run has no embeddings" in note
    (tmp_path / "alone.tif").write_bytes((folder / "kept.tif").read_bytes())
    expected, note = expected_beside(read_class_map(tmp_path / "alone.tif"))
    assert expected is None
    assert "need its run, alone.run" in note


def test_the_run_of_another_map_is_refused(folder):
    joined = read_class_map(folder / "kept.tif", {"all": [(None, 1), (None, 2)]})
    with pytest.raises(ValueError, match=r"kept\.run is not the run of kept\.tif"):
        expected_areas(folder / "kept.run", joined)
