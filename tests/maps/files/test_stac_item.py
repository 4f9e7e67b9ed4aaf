import json
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.mlm import MLMExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation import JsonSchemaSTACValidator
from rasterio.warp import transform_bounds

from tests.support.small_cubes import CRS
from tests.support.small_maps import LABELS, add_coarse, make_map
from timesenclip_hf.maps import reject, write_map
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS


def written_item(mapped, folder) -> pystac.Item:
    write_map(mapped, folder / "map.tif")
    return pystac.Item.from_dict(json.loads((folder / "map_stac.json").read_text()), preserve_dict=True)


def test_the_item_is_valid_stac_and_its_assets_are_there(tmp_path):
    mapped = add_coarse(make_map())
    mapped["embeddings"] = ("y", "x", "feature"), np.zeros((6, 5, 4), dtype=np.float16)
    item = written_item(mapped, tmp_path)
    # The core's schemas come with pystac; those of the extensions would be fetched.
    JsonSchemaSTACValidator().validate_core(item.to_dict(include_self_link=False), pystac.STACObjectType.ITEM, "1.1.0")
    assert set(item.assets) == {"classes", "scores", "coarse", "embeddings", "overview", "model"}
    for name, asset in item.assets.items():
        assert name == "model" or (tmp_path / asset.href).exists()
    assert str(tmp_path) not in (tmp_path / "map_stac.json").read_text()


def test_place_and_year_are_the_maps(tmp_path):
    item = written_item(make_map(), tmp_path)
    assert item.datetime is None
    assert item.common_metadata.start_datetime == datetime(2018, 1, 1, tzinfo=UTC)
    assert item.common_metadata.end_datetime == datetime(2018, 12, 31, 23, 59, 59, tzinfo=UTC)
    expected = transform_bounds(CRS, "EPSG:4326", 500_000, 5_599_940, 500_050, 5_600_000)
    np.testing.assert_allclose(item.bbox, expected, atol=1e-6)
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.shape) == (CRS, [6, 5])
    assert projection.transform == [10, 0, 500_000, 0, -10, 5_600_000]


def placed(crs, x, y, size):
    mapped = make_map()
    steps_down, steps_across = np.arange(mapped.sizes["y"]) + 0.5, np.arange(mapped.sizes["x"]) + 0.5
    moved = mapped.drop_vars("spatial_ref").assign_coords(y=y - size * steps_down, x=x + size * steps_across)
    return moved.rio.write_crs(crs)


# Taveuni in Fiji lies on both sides of 180 degrees; grids in degrees may count to 360.
@pytest.mark.parametrize(
    ("crs", "x", "y", "size"), [("EPSG:32760", 819_680, 8_134_600, 10), ("EPSG:4326", 179.9996, -16.85, 0.0002)]
)
def test_a_map_across_180_degrees_is_cut_there_as_geojson_asks(tmp_path, crs, x, y, size):
    item = written_item(placed(crs, x, y, size), tmp_path)
    west, south, east, north = item.bbox
    assert 179.9 < west < 180
    assert -180 < east < -179.9
    assert -17 < south < north < -16
    assert item.geometry["type"] == "MultiPolygon"
    for (ring,), border in zip(item.geometry["coordinates"], (180, -180), strict=True):
        longitudes = np.asarray(ring)[:, 0]
        assert np.abs(longitudes - border).max() < 0.1
        assert border in longitudes
    JsonSchemaSTACValidator().validate_core(item.to_dict(include_self_link=False), pystac.STACObjectType.ITEM, "1.1.0")


def test_a_map_beyond_180_degrees_is_west_of_greenwich(tmp_path):
    item = written_item(placed("EPSG:4326", 200, 10, 0.001), tmp_path)
    np.testing.assert_allclose(item.bbox, [-160, 9.994, -159.995, 10])
    assert item.geometry["type"] == "Polygon"


def test_a_map_around_a_pole_reaches_it_on_all_sides(tmp_path):
    item = written_item(placed("EPSG:3413", -25_000, 30_000, 10_000), tmp_path)
    assert [item.bbox[0], *item.bbox[2:]] == [-180, 180, 90]
    assert 89 < item.bbox[1] < 90
    ring = np.asarray(item.geometry["coordinates"][0])
    assert (ring[:, 0].min(), ring[:, 0].max(), ring[:, 1].max()) == (-180, 180, 90)


def test_a_map_of_months_without_a_year_is_dated_by_its_making(tmp_path):
    mapped = make_map()
    del mapped.attrs["year"]
    item = written_item(mapped, tmp_path)
    assert abs((datetime.now(UTC) - item.datetime).total_seconds()) < 600
    assert item.common_metadata.start_datetime is None


def test_chunks_that_could_not_be_read_are_listed(tmp_path):
    item = written_item(make_map(failed_chunks=["rows 0 to 3: truncated"]), tmp_path / "some")
    assert item.properties["timesenclip:failed_chunks"] == ["rows 0 to 3: truncated"]
    assert "timesenclip:failed_chunks" not in written_item(make_map(failed_chunks=[]), tmp_path / "none").properties


def test_classes_have_codes_names_colours_and_counts(tmp_path):
    mapped = reject(make_map(20, 20, labels=[*LABELS[:2], "???"]), 0.3)
    item = written_item(mapped, tmp_path)
    classes = ClassificationExtension.ext(item.assets["classes"]).classes
    assert [(entry.value, entry.title) for entry in classes[1:]] == [
        *enumerate([*LABELS[:2], "???"], 1),
        (255, "uncertain"),
    ]
    assert [entry.name for entry in classes] == ["no_data", "maize", "broad-leaved_woodland", "class_3", "uncertain"]
    assert [entry.nodata for entry in classes] == [True, None, None, None, None]
    assert classes[1].color_hint == "EAB500"
    counts = np.bincount(mapped["class"].values.ravel(), minlength=256)
    assert [entry.count for entry in classes] == counts[[0, 1, 2, 3, 255]].tolist()
    assert sum(entry.percentage for entry in classes) == pytest.approx(100, abs=1e-3)


def test_bands_of_scores_stand_in_the_order_of_the_file_with_scale_and_offset(tmp_path):
    item = written_item(add_coarse(make_map())[["clear_months", "class", "probability", "class_coarse"]], tmp_path)
    bands = RasterExtension.ext(item.assets["scores"]).bands
    assert [band.properties["name"] for band in bands] == ["probability", "clear_months"]
    assert [(band.scale, band.offset, band.nodata) for band in bands] == [(0.004, -0.004, 0), (1, 0, 0)]


def test_the_model_is_described_as_its_extension_wants(tmp_path):
    facts = {"weights_sha256": "ab", "hypothesis_template": "a photo of {}", "smoothing": "majority 3 x 3"}
    item = written_item(reject(make_map(model="you/model-1", **facts), 0.25), tmp_path)
    model = MLMExtension.ext(item)
    assert (model.mlm_name, model.architecture, model.tasks) == ("model-1", "TimeSenCLIP", ["classification"])
    (entry,), (result,) = model.input, model.output
    assert entry.bands == list(BANDS)
    assert (entry.input.shape, entry.input.dim_order) == ([-1, 12, 10], ["batch", "time", "bands"])
    assert (result.result.shape, result.result.dim_order) == ([-1, 3], ["batch", "class"])
    assert [label.title for label in result.classes] == LABELS
    assert model.hyperparameters.to_dict() == {**facts, "reject_threshold": 0.25}
    asset = item.assets["model"]
    assert (asset.href, asset.roles) == ("https://huggingface.co/you/model-1", ["mlm:model"])
    # The extension asks for both wherever bands are named among the inputs.
    assert asset.extra_fields["mlm:artifact_type"] == "safetensors.torch.save_file"
    assert [band["name"] for band in asset.extra_fields["raster:bands"]] == list(BANDS)


@pytest.mark.parametrize(
    ("name", "plain"), [("folder/m: 1!", "m-1"), ("7", "TimeSenCLIP"), ("ab", "TimeSenCLIP"), ("my model_", "my-model")]
)
def test_a_name_is_written_in_the_characters_that_the_extension_allows(tmp_path, name, plain):
    item = written_item(make_map(model=name), tmp_path)
    assert item.properties["mlm:name"] == plain
    assert item.assets["model"].href == name


def test_the_item_says_what_to_know_before_trusting_the_map(tmp_path):
    item = written_item(make_map(unknown_words=["sorrel"], model="you/model"), tmp_path)
    assert item.properties["timesenclip:unknown_words"] == ["sorrel"]
    assert item.properties["timesenclip:caveat"].startswith("Classes are named by words alone")
    assert item.properties["timesenclip:caveat"].endswith("mean little: sorrel.")
