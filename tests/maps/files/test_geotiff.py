from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rio_cogeo.cogeo import cog_validate

from tests.support.small_cubes import CRS
from tests.support.small_maps import LABELS, add_coarse, make_map
from timesenclip_hf.maps import reject, write_map
from timesenclip_hf.maps.files import geotiff
from timesenclip_hf.maps.files.colours import UNCERTAIN_COLOUR, class_colours


def test_the_classes_come_back_with_place_names_colours_and_facts(tmp_path):
    mapped = make_map(model="you/model", hypothesis_template=["{}", "a photo of {}"], weights_sha256="ab")
    write_map(mapped, tmp_path / "new" / "map.tif")
    with rasterio.open(tmp_path / "new" / "map.tif") as raster:
        assert (raster.count, raster.dtypes, raster.descriptions) == (1, ("uint8",), ("class",))
        assert raster.crs == CRS
        assert raster.transform == rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)
        assert raster.nodata == 0
        np.testing.assert_array_equal(raster.read(1), mapped["class"])
        tags = raster.tags()
        assert [tags[f"CLASS_{code}"] for code in (1, 2, 3)] == LABELS
        assert tags["COLOUR_1"] == "#eab500"
        assert (tags["YEAR"], tags["MODEL"], tags["WEIGHTS_SHA256"]) == ("2018", "you/model", "ab")
        assert tags["HYPOTHESIS_TEMPLATE"] == "{}, a photo of {}"
        assert tags["CAVEAT"].startswith("Classes are named by words alone")
        assert int(tags["PIXELS_WITHOUT_DATA"]) == (mapped["class"] == 0).sum()
        colours = raster.colormap(1)
        assert [colours[code][:3] for code in (1, 2, 3)] == [each.colour for each in class_colours(LABELS)]
        assert colours[0][3] == 0


def test_names_lie_where_gdal_reads_them_as_a_list_and_as_a_table(tmp_path):
    mapped = reject(make_map(), 0.5)
    write_map(mapped, tmp_path / "map.tif")
    band = ElementTree.parse(tmp_path / "map.tif.aux.xml").find("PAMRasterBand")
    assert [name.text for name in band.findall("CategoryNames/Category")] == ["no data", *LABELS]
    columns = [column.text for column in band.findall("GDALRasterAttributeTable/FieldDefn/Name")]
    rows = [[cell.text for cell in row] for row in band.findall("GDALRasterAttributeTable/Row")]
    assert columns == ["Value", "Class", "Count", "Red", "Green", "Blue"]
    assert [row[:2] for row in rows] == [
        *map(list, zip("0123", ["no data", *LABELS], strict=True)),
        ["255", "uncertain"],
    ]
    counts = np.bincount(mapped["class"].values.ravel(), minlength=256)
    assert [int(row[2]) for row in rows] == counts[[0, 1, 2, 3, 255]].tolist()


def test_scores_come_back_within_half_a_step_and_months_as_they_are(tmp_path):
    mapped = make_map(30, 40)
    write_map(mapped, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map_scores.tif") as raster:
        assert raster.descriptions == ("probability", "entropy", "margin", "clear_months")
        for band, name in enumerate(raster.descriptions, start=1):
            stored = raster.read(band, masked=True)
            values = stored * raster.scales[band - 1] + raster.offsets[band - 1]
            np.testing.assert_array_equal(stored.mask, mapped["class"] == 0)
            step = 0.0 if name == "clear_months" else 0.002
            np.testing.assert_allclose(values.compressed(), mapped[name].values[~stored.mask], atol=step + 1e-6)


def test_windows_are_whole_chunks_and_cover_the_grid_once(monkeypatch):
    monkeypatch.setattr(geotiff, "LARGEST_WINDOW", 10)
    for chunks in [(4, 4, 4, 4), (25, 3), (10, 10, 1), (1,), (9, 9, 30, 2)]:
        cuts = geotiff._cuts(chunks)
        assert all(0 < cut.stop - cut.start <= 10 for cut in cuts)
        assert [cut.start for cut in cuts] == [0, *(cut.stop for cut in cuts[:-1])]
        assert cuts[-1].stop == sum(chunks)
    assert [cut.stop for cut in geotiff._cuts((4, 4, 4, 4))] == [8, 16]


def test_every_geotiff_is_a_valid_cog_with_overviews_of_the_commonest_class_and_the_mean_score(tmp_path):
    mapped = add_coarse(make_map(600, 530))
    mapped["class"][:4, :4] = [[1, 1, 2, 2], [1, 3, 2, 1], [3, 3, 0, 0], [3, 1, 0, 0]]
    mapped["probability"][:2, :2] = [[0.2, 0.4], [0.6, 0.8]]
    mapped["probability"][2:4, :2] = [[0.2, np.nan], [np.nan, np.nan]]
    write_map(mapped, tmp_path / "map.tif")
    for name in ("map.tif", "map_scores.tif", "map_coarse.tif"):
        valid, errors, warnings = cog_validate(tmp_path / name, strict=True, quiet=True)
        assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(tmp_path / "map.tif", overview_level=0) as raster:
        assert raster.shape == (300, 265)
        assert raster.read(1)[:2, :2].tolist() == [[1, 2], [3, 0]]
    with rasterio.open(tmp_path / "map_scores.tif", overview_level=0) as raster:
        assert raster.read(1)[0, 0] * 0.004 - 0.004 == pytest.approx(0.5)
        assert raster.read(1)[1, 0] * 0.004 - 0.004 == pytest.approx(0.2)


def test_coarse_classes_have_a_file_of_their_own_and_their_probability_a_band(tmp_path):
    mapped = add_coarse(make_map())
    write_map(mapped, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map_coarse.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), mapped["class_coarse"])
        assert [raster.tags().get(f"CLASS_{code}") for code in (1, 2, 3)] == ["plants", "water", None]
    with rasterio.open(tmp_path / "map_scores.tif") as raster:
        assert raster.descriptions[-1] == "probability_coarse"


def test_a_rejected_pixel_is_uncertain_and_keeps_its_probability(tmp_path):
    mapped = make_map(20, 20)
    write_map(reject(mapped, 0.5), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as raster, rasterio.open(tmp_path / "map_scores.tif") as scores:
        unsure = (mapped["probability"] < 0.5).values
        assert (raster.read(1)[unsure] == 255).all()
        np.testing.assert_array_equal(raster.read(1)[~unsure], mapped["class"].values[~unsure])
        assert (scores.read(1)[unsure] > 0).all()
        assert raster.tags()["REJECT_THRESHOLD"] == "0.5"
        assert raster.tags()["CLASS_255"] == "uncertain"
        assert raster.colormap(1)[255][:3] == UNCERTAIN_COLOUR
