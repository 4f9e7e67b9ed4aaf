import re
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.errors import RasterioIOError
from rio_cogeo.cogeo import cog_validate

from tests.support.small_cubes import CRS
from tests.support.small_maps import LABELS, add_coarse, make_map
from timesenclip_hf.maps import reject, write_map
from timesenclip_hf.maps.files import geotiff
from timesenclip_hf.maps.files.legend import UNCERTAIN_COLOUR, class_colours
from timesenclip_hf.maps.making.embeddings import embeddings_to_int8


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
        assert tags["COLOUR_1"] == "#009e73"
        assert (tags["YEAR"], tags["MODEL"], tags["WEIGHTS_SHA256"]) == ("2018", "you/model", "ab")
        assert tags["HYPOTHESIS_TEMPLATE"] == "{}, a photo of {}"
        assert int(tags["PIXELS_WITHOUT_DATA"]) == (mapped["class"] == 0).sum()
        colours = raster.colormap(1)
        assert [colours[code][:3] for code in (1, 2, 3)] == class_colours(3)
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


@pytest.mark.parametrize("chunks", [{"y": 30, "x": 70}, {"y": 700, "x": 550}, {"y": (400, 200, 100), "x": -1}])
def test_a_lazy_map_gives_the_same_files_as_one_in_memory(tmp_path, chunks, monkeypatch):
    monkeypatch.setattr(geotiff, "LARGEST_WINDOW", 250)
    mapped = make_map(700, 550)
    eager, lazy = tmp_path / "eager" / "map.tif", tmp_path / "lazy" / "map.tif"
    write_map(mapped, eager)
    files = write_map(mapped.chunk(chunks), lazy)
    for file in files:
        expected = (eager.parent / file.name).read_bytes()
        if file.suffix == ".json":  # says when it was made
            made = re.compile(rb'"created": ".*?"')
            assert made.sub(b"", file.read_bytes()) == made.sub(b"", expected)
        else:
            assert file.read_bytes() == expected, file.name


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


@pytest.mark.parametrize("lazy", [False, True])
def test_embeddings_lie_in_a_zarr_store_with_their_place(tmp_path, lazy):
    mapped = make_map()
    embeds = np.random.default_rng(0).standard_normal((6, 5, 8)).astype(np.float32)
    codes, scale = embeddings_to_int8(embeds)
    mapped = mapped.assign(embeddings=(("y", "x", "feature"), codes), embedding_scale=(("y", "x"), scale))
    for _ in range(2):  # what is there is replaced
        write_map(mapped.chunk(y=4, x=2) if lazy else mapped, tmp_path / "map.tif")
    stored = xr.open_zarr(tmp_path / "map_embeddings.zarr", decode_coords="all", consolidated=False)
    assert stored.rio.crs == CRS
    assert stored["embeddings"].dtype == np.int8
    np.testing.assert_array_equal(stored["embeddings"], codes)
    np.testing.assert_array_equal(stored["embedding_scale"], scale)
    np.testing.assert_array_equal(stored["x"], mapped["x"])
    assert stored.attrs["year"] == 2018


def test_label_sets_have_their_names_in_the_files_and_one_page(tmp_path):
    maps = {"crops": make_map(seed=1), "land cover": make_map(seed=2, labels=["land", "sea"])}
    files = write_map(maps, tmp_path / "map.tif", png=tmp_path / "pictures" / "one.png")
    names = {str(file.relative_to(tmp_path)) for file in files}
    parts = {
        f"map_{name}{end}"
        for name in ("crops", "land_cover")
        for end in (".tif", ".tif.aux.xml", "_stac.json", "_scores.tif")
    }
    assert names == parts | {"map.html", "pictures/one_crops.png", "pictures/one_land_cover.png"}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == names
    with rasterio.open(tmp_path / "map_land_cover.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), maps["land cover"]["class"])


def test_a_south_up_grid_and_a_lone_pixel_keep_their_place(tmp_path):
    mapped = make_map()
    write_map(mapped.isel(y=slice(None, None, -1)), tmp_path / "south.tif")
    with rasterio.open(tmp_path / "south.tif") as raster:
        assert raster.transform == rasterio.Affine(10, 0, 500_000, 0, 10, 5_599_940)
    lone = mapped.isel(y=[2], x=[3])
    with pytest.raises(ValueError, match="is a single pixel and nothing tells its size"):
        write_map(lone, tmp_path / "lone.tif")
    write_map(lone.rio.write_transform(rasterio.Affine(20, 0, 500_030, 0, -20, 5_599_980)), tmp_path / "lone.tif")
    with rasterio.open(tmp_path / "lone.tif") as raster:
        assert raster.transform == rasterio.Affine(20, 0, 500_025, 0, -20, 5_599_985)


@pytest.mark.parametrize(
    ("mapped", "name", "sentence"),
    [
        (make_map().drop_vars("spatial_ref"), "map.tif", "The map has no coordinate reference system"),
        (make_map().drop_attrs(), "map.tif", "The map does not name its classes"),
        (make_map(), "map.nc", "give an output that ends in .tif, not 'map.nc'"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_sentence(tmp_path, mapped, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        write_map(mapped, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["map.tif", "map.png", "map_scores.tif", "map.html", "pictures"])
def test_a_folder_in_the_way_is_refused_and_nothing_is_changed(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "diary.txt").write_text("mine")
    with pytest.raises(IsADirectoryError, match=f"{name} is a folder: give the name of a file to write"):
        write_map(make_map(), tmp_path / "map.tif", png=tmp_path / "pictures" if name == "pictures" else None)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        name,
        f"{name}/diary.txt",
    ]


def test_a_folder_that_is_no_store_of_embeddings_is_not_replaced_by_one(tmp_path):
    (tmp_path / "map_embeddings.zarr").mkdir()
    (tmp_path / "map_embeddings.zarr" / "diary.txt").write_text("mine")
    mapped = make_map().assign(embeddings=(("y", "x", "feature"), np.zeros((6, 5, 8), np.float16)))
    with pytest.raises(FileExistsError, match="give another folder, or remove it"):
        write_map(mapped, tmp_path / "map.tif")
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["map_embeddings.zarr", "diary.txt"]


def test_a_full_disk_is_named_in_one_sentence_and_changes_nothing(tmp_path, monkeypatch):
    def fail(*_arguments, **_options):
        try:
            raise OSError("TIFFAppendToStrip:Write error at scanline 0")
        except OSError as error:
            raise RasterioIOError("Write failed. See previous exception for details.") from error

    monkeypatch.setattr(rasterio.shutil, "copy", fail)
    with pytest.raises(
        OSError, match=r"^The files of the map .* MB left \(TIFFAppendToStrip.*\): nothing .* command\.$"
    ):
        write_map(make_map(), tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_cannot_be_read_to_its_end_leaves_what_was_there(tmp_path, monkeypatch):
    monkeypatch.setattr(geotiff, "LARGEST_WINDOW", 4)
    mapped = make_map(8, 8)
    write_map(mapped, tmp_path / "map.tif")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(block, block_info=None):
        if block_info[0]["chunk-location"] == (1, 1):
            raise OSError("no space left on device")
        return block

    broken = mapped.chunk(y=4, x=4)
    broken["entropy"] = broken["entropy"].copy(data=broken["entropy"].data.map_blocks(fail, dtype=np.float32))
    with pytest.raises(OSError, match="no space left"):
        write_map(broken, tmp_path / "map.tif")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
