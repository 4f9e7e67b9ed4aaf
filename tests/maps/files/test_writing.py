import re

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.errors import RasterioIOError
from rasterio.transform import from_origin

from tests.support.small_cubes import CRS, small_cube
from tests.support.small_maps import make_map
from timesenclip_hf.files.outputs import OwnFiles
from timesenclip_hf.maps import MapRun, map_cube, open_cube, write_map, write_png
from timesenclip_hf.maps.files import geotiff
from timesenclip_hf.maps.making.blocks import embeddings_to_int8


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


@pytest.mark.parametrize("lazy", [False, True])
def test_embeddings_lie_in_a_zarr_store_with_their_place(tmp_path, lazy):
    mapped = make_map()
    embeds = np.random.default_rng(0).standard_normal((6, 5, 8)).astype(np.float32)
    codes, scale = embeddings_to_int8(embeds)
    mapped = mapped.assign(embeddings=(("y", "x", "feature"), codes), embedding_scale=(("y", "x"), scale))
    for _ in range(2):  # what is there is replaced
        write_map(mapped.chunk(y=4, x=2) if lazy else mapped, tmp_path / "map.tif", overwrite=True)
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
        for end in (".tif", ".tif.aux.xml", ".qml", "_stac.json", "_scores.tif", "_scores.qml")
    }
    assert names == parts | {"map.html", "pictures/one_crops.png", "pictures/one_land_cover.png"}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == names
    with rasterio.open(tmp_path / "map_land_cover.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), maps["land cover"]["class"])


@pytest.mark.parametrize("lazy", [False, True])
def test_north_is_up_in_all_files_however_the_rows_and_columns_of_a_map_run(tmp_path, lazy):
    mapped = make_map()
    turned = mapped.isel(y=slice(None, None, -1), x=slice(None, None, -1))
    write_map(mapped, tmp_path / "north.tif")
    write_map(turned.chunk({"y": 4, "x": 3}) if lazy else turned, tmp_path / "south.tif")
    for name in ("map.tif", "map_scores.tif"):
        files = [tmp_path / name.replace("map", which) for which in ("north", "south")]
        with rasterio.open(files[0]) as north, rasterio.open(files[1]) as south:
            assert south.transform == north.transform == rasterio.Affine(10, 0, 500_000, 0, -10, 5_600_000)
            np.testing.assert_array_equal(south.read(), north.read())
    pages = [(tmp_path / f"{which}.html").read_text() for which in ("north", "south")]
    pictures = [re.findall(r'base64,([^"]+)', page) for page in pages]
    assert pictures[0] == pictures[1] != []
    write_png(mapped, tmp_path / "drawn_north.png")
    write_png(turned, tmp_path / "drawn_south.png")
    assert (tmp_path / "drawn_south.png").read_bytes() == (tmp_path / "drawn_north.png").read_bytes()


def test_a_single_row_from_south_to_north_keeps_its_place(tmp_path):
    row = make_map().isel(y=[2]).rio.write_transform(rasterio.Affine(10, 0, 500_000, 0, 10, 5_599_970))
    write_map(row, tmp_path / "row.tif")
    with rasterio.open(tmp_path / "row.tif") as raster:
        assert raster.transform == rasterio.Affine(10, 0, 500_000, 0, -10, 5_599_980)


def test_a_lone_pixel_keeps_its_place(tmp_path):
    mapped = make_map()
    lone = mapped.isel(y=[2], x=[3])
    with pytest.raises(ValueError, match="is a single pixel and nothing tells its size"):
        write_map(lone, tmp_path / "lone.tif")
    write_map(lone.rio.write_transform(rasterio.Affine(20, 0, 500_030, 0, -20, 5_599_980)), tmp_path / "lone.tif")
    with rasterio.open(tmp_path / "lone.tif") as raster:
        assert raster.transform == rasterio.Affine(20, 0, 500_025, 0, -20, 5_599_985)


def test_a_cube_of_a_single_pixel_in_degrees_becomes_a_map_of_its_size(tmp_path):
    transform = from_origin(4.0, 50.0, 0.0002, 0.0002)
    cube = small_cube(1, 1).assign_coords(x=[4.0001], y=[49.9999]).rio.write_crs("EPSG:4326")
    cube.rio.write_transform(transform).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    opened = open_cube(tmp_path / "cube.nc", chunks=4)
    maps = MapRun(opened, tmp_path / "map.run", "maize,water").execute(progress=False)
    write_map(maps[""], tmp_path / "map.tif")
    write_map(map_cube(opened, "maize,water", progress=False), tmp_path / "again.tif")
    for name in ("map.tif", "again.tif"):
        with rasterio.open(tmp_path / name) as raster:
            assert raster.transform.almost_equals(transform)


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
    for overwrite, sentence in (
        (False, "is there already"),
        (True, r"holds diary\.txt, which such a command does not"),
    ):
        with pytest.raises(FileExistsError, match=sentence):
            write_map(mapped, tmp_path / "map.tif", overwrite=overwrite)
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
    with pytest.raises(OSError, match=r"There is no space left on the disk of .* what was there is unchanged"):
        write_map(broken, tmp_path / "map.tif", overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


ALL_FILES = (
    *("map.tif", "map.tif.aux.xml", "map.qml", "map_scores.tif", "map_scores.qml"),
    *("map_stac.json", "map.png", "map.html"),
)


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_file_of_somebody_else_is_replaced_only_where_that_is_asked_for(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"{name} is there already: give another name, or overwrite it"):
        write_map(make_map(), tmp_path / "map.tif")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}
    write_map(make_map(), tmp_path / "map.tif", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {*ALL_FILES}
    assert (tmp_path / name).read_bytes() != b"mine"


def test_a_run_replaces_the_files_that_it_wrote_until_somebody_changes_one(tmp_path):
    run = tmp_path / "map.run"
    run.mkdir()
    for seed in (1, 2):
        write_map(make_map(seed=seed), tmp_path / "map.tif", run_files=OwnFiles(run / "written.json"))
    (tmp_path / "map.html").write_text("mine")
    with pytest.raises(FileExistsError, match=r"map\.html is there already"):
        write_map(make_map(), tmp_path / "map.tif", run_files=OwnFiles(run / "written.json"))
    assert (tmp_path / "map.html").read_text() == "mine"
