import numpy as np
import pytest
import torch
from transformers import pipeline

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps import MapOptions, MapRun, map_cube, open_cube, stored_embeddings, write_map
from timesenclip_hf.maps.files.geotiff import MOST_NOVELTY, NOVELTY_STEP
from timesenclip_hf.models.timesenclip import novelty_timesenclip
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.novelty_timesenclip import TimeSenCLIPNovelty, measure_novelty

rasterio = pytest.importorskip("rasterio")
LABELS = ["maize", "water"]


@pytest.fixture(scope="module")
def knowing(tiny_checkpoint, tmp_path_factory) -> str:
    """A folder of the tiny checkpoint with statistics of a training."""
    loaded = pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))
    torch.manual_seed(0)
    loaded.model.keep_novelty(TimeSenCLIPNovelty(loaded.model.pixel_model.config, 8))
    # So that about half of a small cube's pixels lie above 1.
    loaded.model.novelty.centre.fill_(-0.265)
    loaded.model.novelty.spread.fill_(0.02)
    folder = tmp_path_factory.mktemp("knowing")
    loaded.save_pretrained(folder)
    return str(folder)


def test_novelty_is_a_layer_that_files_and_stored_embeddings_keep(knowing, tmp_path):
    cube = small_cube()
    for band in BANDS:
        cube[band][:, 0, 0] = 0  # no data
    options = MapOptions(embeddings="float16")
    mapped = MapRun(open_cube(cube), tmp_path / "map.run", LABELS, knowing, options=options).execute(progress=False)[""]
    mapped = mapped.load()
    loaded = pipeline("zero-shot-pixel-classification", model=knowing)
    series = np.stack([cube[band].values for band in BANDS], axis=1).transpose(2, 3, 0, 1).reshape(30, 12, 10)
    features = loaded.processor.feature_extractor(series, dates=MONTHS, allow_empty=True)
    expected = measure_novelty(loaded.model, features).numpy().reshape(6, 5)
    assert np.isnan(expected[0, 0])
    assert mapped["novelty"].dtype == np.float32
    np.testing.assert_allclose(mapped["novelty"], expected, atol=1e-4)

    stored = stored_embeddings(tmp_path / "map.run")
    again = MapRun(stored, tmp_path / "again.run", ["oak", "sand"], knowing).execute(progress=False)[""]
    np.testing.assert_array_equal(again["novelty"], mapped["novelty"])

    write_map(mapped, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map_scores.tif") as raster:
        index = raster.descriptions.index("novelty")
        read = raster.read(index + 1, masked=True) * raster.scales[index] + raster.offsets[index]
    assert read.mask[0, 0]
    clipped = expected.clip(0, MOST_NOVELTY)
    np.testing.assert_allclose(read.filled(np.nan), clipped, atol=NOVELTY_STEP / 2 + 1e-4)


def test_a_run_warns_of_the_share_of_pixels_that_are_novel(knowing, tmp_path, monkeypatch):
    warned = []
    monkeypatch.setattr(novelty_timesenclip.logger, "warning", warned.append)
    run = MapRun(open_cube(small_cube()), tmp_path / "map.run", LABELS, knowing)
    mapped = run.execute(progress=False)[""]
    novel = int((mapped["novelty"] > 1).sum())
    assert mapped.attrs["novel_pixels"] == novel
    assert 0 < novel < 30
    assert len(warned) == 1
    assert warned[0].startswith(f"{novel} of 30 pixels ({novel / 30:.0%}) are unlike anything")
    write_map(mapped, tmp_path / "map.tif")
    page = (tmp_path / "map.html").read_text()
    assert 'value="novelty"' in page
    assert '<img class="novelty"' in page


def test_without_statistics_there_is_no_such_layer(tiny_checkpoint):
    assert "novelty" not in map_cube(small_cube(), LABELS, tiny_checkpoint, progress=False)
