import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import rasterio
import xarray as xr
from PIL import Image

from tests.mapping.small_cubes import CRS, grid
from timesenclip_hf.mapping import write_geotiff, write_png
from timesenclip_hf.mapping.export import class_colours

LABELS = ["maize", "broad-leaved woodland", "water"]


@pytest.fixture
def mapped():
    random = np.random.default_rng(0)
    classes = random.integers(0, 4, (6, 5)).astype(np.uint8)
    classes[0, :2] = 0, 1
    scores = {
        name: (("y", "x"), np.where(classes == 0, np.nan, random.uniform(low, 1, (6, 5))).astype(np.float32))
        for name, low in (("probability", 0.34), ("entropy", 0.0))
    }
    dataset = xr.Dataset({"class": (("y", "x"), classes), **scores}, coords=grid(6, 5))
    dataset.attrs = {"labels": LABELS, "pixels_without_data": int((classes == 0).sum()), "year": 2018}
    return dataset.rio.write_crs(CRS)


def test_a_geotiff_comes_back_with_place_classes_names_and_colours(tmp_path, mapped):
    path = tmp_path / "new" / "map.tif"
    write_geotiff(mapped, path)
    with rasterio.open(path) as raster:
        assert raster.descriptions == ("class", "probability", "entropy")
        assert set(raster.dtypes) == {"uint8"}
        assert raster.crs == CRS
        assert raster.transform == rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)
        assert raster.nodata == 0
        np.testing.assert_array_equal(raster.read(1), mapped["class"])
        assert {code: raster.tags()[f"CLASS_{code}"] for code in (1, 2, 3)} == dict(enumerate(LABELS, start=1))
        assert raster.tags()["YEAR"] == "2018"
        colours = raster.colormap(1)
        assert [colours[code][:3] for code in (1, 2, 3)] == class_colours(3)
        assert colours[0][3] == 0
        for band, name in ((2, "probability"), (3, "entropy")):
            stored = raster.read(band, masked=True)
            values = stored * raster.scales[band - 1] + raster.offsets[band - 1]
            np.testing.assert_array_equal(stored.mask, mapped["class"] == 0)
            np.testing.assert_allclose(values.compressed(), mapped[name].values[~stored.mask], atol=0.0021)
    names = ElementTree.parse(f"{path}.aux.xml").findall(".//Category")
    assert [name.text for name in names] == ["no data", *LABELS]


def test_a_south_up_grid_keeps_its_place(tmp_path, mapped):
    write_geotiff(mapped.isel(y=slice(None, None, -1)), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.transform == rasterio.Affine(10, 0, 500_000, 0, 10, 5_599_940)


def test_a_map_of_one_pixel_has_a_place_too(tmp_path, mapped):
    write_geotiff(mapped.isel(y=[2], x=[3]), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.transform == rasterio.Affine(10, 0, 500_030, 0, -10, 5_599_980)


def test_a_map_without_crs_is_refused(tmp_path, mapped):
    with pytest.raises(ValueError, match="The map has no coordinate reference system"):
        write_geotiff(mapped.drop_vars("spatial_ref"), tmp_path / "map.tif")


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_a_picture_shows_every_class_in_its_colour(tmp_path, mapped, crs):
    write_png(mapped.rio.write_crs(crs), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.width > 1000
        counts = {colour[:3]: count for count, colour in picture.getcolors(maxcolors=1_000_000)}
    for code, colour in enumerate(class_colours(3), start=1):
        assert counts[colour] > 1000 * (mapped["class"] == code).sum()


def test_any_number_of_classes_has_as_many_colours():
    colours = class_colours(60)
    assert len(set(colours)) == 60
    assert colours[:5] == class_colours(5)
    assert (255, 255, 255) not in colours
