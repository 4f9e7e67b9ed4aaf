import json
import logging
import pickle

import numpy as np
import pytest
import rasterio

from tests.support.small_cubes import MONTHS, small_cube
from tests.support.stac_places import (
    COLLECTION,
    DATA_SPACE,
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    TWENTY_METRES,
    file_server,
    save_items,
    stac_api,
    with_addresses,
    write_cog,
    write_item,
)
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.reading import acquisition_offsets
from timesenclip_hf.maps.cubes.stac import open_stac
from timesenclip_hf.maps.cubes.stac_search import StacQuery

TIMES = MONTHS[3:6] + np.timedelta64(11, "h")


@pytest.fixture(scope="module")
def cube():
    random = np.random.default_rng(1)
    made = small_cube(6, 8, TIMES)
    made["B02"][1, 2, 3] = 0
    classes = random.choice(np.array([4, 5, 9], np.uint8), (3, 6, 8))
    return open_cube(made.assign(SCL=(("time", "y", "x"), classes))).assign_attrs(nodata=0)


def same_pixels(opened, cube):
    np.testing.assert_array_equal(opened["x"], cube["x"])
    np.testing.assert_array_equal(opened["y"], cube["y"])
    np.testing.assert_array_equal(opened["band"], cube["band"])
    offsets = np.nan_to_num(acquisition_offsets(opened))[:, None, None, None]
    values = cube["reflectance"].values.astype(np.int64)
    np.testing.assert_array_equal(opened["reflectance"], np.where(values == 0, 0, values + offsets))
    np.testing.assert_array_equal(opened["scl"], cube["scl"])


PROVIDERS = {
    "earth search": (EARTH_SEARCH, 0, {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.09"}),
    "earth search, not subtracted": (
        EARTH_SEARCH,
        1000,
        {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "04.00"},
    ),
    "planetary computer": (PLANETARY_COMPUTER, 1000, {"s2:processing_baseline": "05.10"}),
    "planetary computer, before": (PLANETARY_COMPUTER, 0, {"s2:processing_baseline": "02.12"}),
    "data space": (DATA_SPACE, 1000, {"processing:version": "05.11"}),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_items_of_any_provider_make_the_same_cube(tmp_path, cube, provider):
    names, raised, properties = PROVIDERS[provider]
    # Earth Search describes this offset in every item, whatever the numbers are.
    fields = {"raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]}
    described = fields if names is EARTH_SEARCH else {}
    items = [
        write_item(tmp_path, cube, index, names=names, raised=raised, asset_fields=described) for index in range(3)
    ]
    for item in items:
        item["properties"] |= properties
    opened = open_stac(save_items(tmp_path, items))
    assert opened["reflectance"].dtype == np.uint16
    assert acquisition_offsets(opened).tolist() == [raised] * 3
    assert opened.attrs["nodata"] == 0
    assert opened.rio.crs == cube.rio.crs
    np.testing.assert_array_equal(opened["time"], TIMES)
    same_pixels(opened, cube)


def mixed_items(folder, cube):
    return [
        write_item(folder, cube, index, raised=raised, s2__processing_baseline=baseline)
        for index, (raised, baseline) in enumerate([(0, "03.01"), (1000, "04.00"), (1000, "05.09")])
    ]


def test_each_acquisition_keeps_its_offset_and_the_extractor_makes_one_series_of_them(tmp_path, cube):
    opened = open_stac(save_items(tmp_path, mixed_items(tmp_path, cube)))
    assert acquisition_offsets(opened).tolist() == [0, 1000, 1000]
    same_pixels(opened, cube)
    extractor = TimeSenCLIPFeatureExtractor()

    def features(of, offset):
        return extractor(
            of["reflectance"].values.reshape(3, 10, -1).transpose(2, 0, 1),
            scl=of["scl"].values.reshape(3, -1).T,
            bands=of["band"].values.tolist(),
            dates=of["time"].values,
            nodata=0,
            offset=offset,
            allow_empty=True,
        )

    expected = features(cube, 0)
    for name, values in features(opened, acquisition_offsets(opened)).items():
        np.testing.assert_array_equal(values, expected[name])


def test_what_is_read_piece_by_piece_is_what_is_read_at_once_in_any_process(tmp_path, cube):
    path = save_items(tmp_path, mixed_items(tmp_path, cube))
    lazy = open_stac(path, chunks={"y": 4, "x": 3})
    assert lazy["reflectance"].data.chunks == ((3,), (10,), (4, 2), (3, 3, 2))
    same_pixels(lazy, cube)
    np.testing.assert_array_equal(lazy["scl"].isel(y=5, x=slice(None, None, -3)), cube["scl"][:, 5, ::-3])
    piece = pickle.loads(pickle.dumps(lazy.isel(y=slice(0, 4), x=slice(3, 6))))
    np.testing.assert_array_equal(
        piece["reflectance"].load(scheduler="synchronous"), lazy["reflectance"][:, :, :4, 3:6]
    )


def test_bands_of_20_metres_are_laid_on_the_grid_of_10(tmp_path, cube):
    item = write_item(tmp_path, cube, 0, coarse=TWENTY_METRES, s2__processing_baseline="03.01")
    opened = open_stac(save_items(tmp_path, [item]))
    for band in ("B05", "B8A", "B12"):
        source = cube["reflectance"].sel(band=band).values[0]
        repeated = source[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(opened["reflectance"].sel(band=band)[0], repeated)
    np.testing.assert_array_equal(opened["scl"][0], cube["scl"].values[0, ::2, ::2].repeat(2, axis=0).repeat(2, axis=1))


def test_tiles_of_one_day_are_one_acquisition_though_their_offsets_differ(tmp_path, cube):
    left, right = (slice(None), slice(0, 5)), (slice(None), slice(5, 8))
    items = [
        write_item(tmp_path, cube, 0, window=left, s2__processing_baseline="03.01"),
        write_item(tmp_path, cube, 0, window=right, raised=1000, s2__processing_baseline="05.00"),
        write_item(tmp_path, cube, 1, window=left, s2__processing_baseline="03.01"),
    ]
    opened = open_stac(save_items(tmp_path, items))
    assert opened.sizes["time"] == 2
    assert acquisition_offsets(opened).tolist() == [1000, 0]
    np.testing.assert_array_equal(opened["reflectance"][0], cube["reflectance"][0] + 1000)
    np.testing.assert_array_equal(opened["scl"][0], cube["scl"][0])
    np.testing.assert_array_equal(opened["reflectance"][1, :, :, :5], cube["reflectance"][1, :, :, :5])
    assert (opened["reflectance"][1, :, :, 5:] == 0).all()


def test_where_items_overlap_the_newest_processing_fills_the_pixels(tmp_path, cube):
    again = cube.assign(reflectance=cube["reflectance"] + 7)
    items = [
        write_item(tmp_path, again, 0, name="old", s2__processing_baseline="03.01"),
        write_item(tmp_path, cube, 0, name="new", raised=1000, s2__processing_baseline="05.00"),
        write_item(tmp_path, again, 0, name="older", raised=1000, s2__processing_baseline="04.00"),
    ]
    opened = open_stac(save_items(tmp_path, items))
    np.testing.assert_array_equal(opened["reflectance"][0], cube["reflectance"][0] + 1000)


def test_saturated_numbers_are_not_raised_beyond_their_type(tmp_path, cube):
    bright = cube.assign(reflectance=cube["reflectance"] * 0 + np.uint16(65_000))
    left, right = (slice(None), slice(0, 5)), (slice(None), slice(5, 8))
    items = [
        write_item(tmp_path, bright, 0, window=left, s2__processing_baseline="03.01"),
        write_item(tmp_path, cube, 0, window=right, raised=1000, s2__processing_baseline="05.00"),
    ]
    assert (open_stac(save_items(tmp_path, items))["reflectance"][0, :, :, :5] == 65_535).all()


def test_an_api_is_searched_page_by_page(tmp_path, cube):
    local = mixed_items(tmp_path, cube)
    with file_server(tmp_path) as (root, _), stac_api(items := with_addresses(root, local)) as address:
        items.append({**items[0], "collection": "another"})
        opened = open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2018"))
        fewer = open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2018-05/2018-06"))
        assert opened.sizes["time"], fewer.sizes["time"] == (3, 2)
        kept = cube.isel(y=slice(1, 5), x=slice(1, 7))
        same = opened.sel(y=kept["y"], x=kept["x"])  # the box in degrees is a little wider than the square
        same_pixels(same, kept)
        with pytest.raises(ValueError, match="needs a place and a time"):
            open_stac(address)
        with pytest.raises(ValueError, match=r"has no item for bbox .*, dates 2001 \(0 were found\): widen"):
            open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2001"))
    with pytest.raises(ConnectionError, match="does not answer as a STAC API") as caught:
        open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2018"))
    assert "\n" not in str(caught.value)
    with stac_api(items, broken=True) as address, pytest.raises(ConnectionError, match="does not answer as a STAC API"):
        open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2018"))


def test_assets_on_the_web_are_read_though_their_store_stumbles(tmp_path, cube):
    items = mixed_items(tmp_path, cube)[:1]
    with file_server(tmp_path, stumbles=1) as (root, asked), stac_api(with_addresses(root, items)) as address:
        lazy = open_stac(address, StacQuery(bbox=items[0]["bbox"], dates="2018"), chunks=8)
        assert not asked  # nothing is fetched before it is computed
        opened = lazy.load().sel(y=cube["y"], x=cube["x"])
    same_pixels(opened, cube.isel(time=[0]))
    # Neither the folder nor files that may lie beside a GeoTIFF are asked for.
    assert {path.rpartition(".")[2] for path in asked} == {"tif"}


def test_place_time_clouds_and_collection_choose_among_saved_items(tmp_path, cube):
    items = mixed_items(tmp_path, cube)
    for item, cover in zip(items, (0, 12.5, 81.5), strict=True):
        item["properties"]["eo:cloud_cover"] = cover
    path = save_items(tmp_path, items)
    assert open_stac(path, StacQuery(dates="2018-05")).sizes["time"] == 1
    assert open_stac(path, StacQuery(max_cloud_cover=50)).sizes["time"] == 2
    assert open_stac(path, StacQuery(collection=COLLECTION)).sizes["time"] == 3
    west, south, east, north = items[0]["bbox"]
    half = open_stac(path, StacQuery(bbox=(west, south, (west + east) / 2, north)))
    assert half.sizes["x"] in (4, 5)
    for asked in ({"dates": "2019"}, {"collection": "sentinel-1"}, {"bbox": "10,10,11,11"}, {"max_cloud_cover": -1}):
        with pytest.raises(ValueError, match="has no item for") as caught:
            open_stac(path, StacQuery(**asked))
        assert "\n" not in str(caught.value)


def test_another_crs_and_resolution_may_be_asked_for(tmp_path, cube):
    path = save_items(tmp_path, mixed_items(tmp_path, cube))
    coarse = open_stac(path, StacQuery(resolution=20))
    assert coarse["reflectance"].shape == (3, 10, 3, 4)
    degrees = open_stac(path, StacQuery(crs="EPSG:4326", resolution=0.0001))
    assert degrees.rio.crs == "EPSG:4326"
    assert set(np.unique(degrees["reflectance"][0, 0])) <= {0, *np.unique(cube["reflectance"][0, 0])}
    assert open_stac(path, StacQuery(crs="EPSG:32632")).rio.crs == "EPSG:32632"
    assert open_stac(path, StacQuery(crs="EPSG:32631")).equals(open_stac(path))
    with pytest.raises(ValueError, match="EPSG:4326 does not count in metres: say the size of a pixel"):
        open_stac(path, StacQuery(crs="EPSG:4326"))


def test_an_item_or_a_catalog_is_read_like_a_collection(tmp_path, cube):
    item = write_item(tmp_path, cube, 0, s2__processing_baseline="03.01")
    (tmp_path / "item.json").write_text(json.dumps(item))
    link = {"rel": "item", "href": "./item.json", "type": "application/json"}
    catalog = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "one item", "links": [link]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    for name in ("item.json", "catalog.json"):
        np.testing.assert_array_equal(open_stac(tmp_path / name)["reflectance"][0], cube["reflectance"][0])


def test_an_address_is_made_readable_when_it_is_read(tmp_path, cube):
    item = with_addresses(tmp_path, [write_item(tmp_path, cube, 0, s2__processing_baseline="03.01")])[0]
    for asset in item["assets"].values():
        asset["href"] = "https://nowhere.invalid" + asset["href"]
    opened = open_stac(save_items(tmp_path, [item]), patch_url=lambda url: url.removeprefix("https://nowhere.invalid"))
    np.testing.assert_array_equal(opened["reflectance"][0], cube["reflectance"][0])


def test_items_that_lack_a_band_are_told(tmp_path, cube, caplog):
    items = mixed_items(tmp_path, cube)
    del items[1]["assets"]["B11"]
    with caplog.at_level(logging.WARNING):
        logging.getLogger("transformers").propagate = True
        opened = open_stac(save_items(tmp_path, items))
    assert "1 items lack a band" in caplog.text
    assert (opened["reflectance"].sel(band="B11")[1] == 0).all()
    assert (opened["reflectance"].sel(band="B11")[2] != 0).all()


def without_crs(items):
    del items[1]["properties"]["proj:code"]


def with_another_crs(items):
    items[1]["properties"]["proj:code"] = "EPSG:32632"


def without_bands(items):
    items[0]["assets"] = {"thumbnail": {"href": "small.png"}}


def without_a_file(items):
    items[2]["assets"]["B03"]["href"] = "./nowhere.tif"


def in_other_steps(items):
    items[0]["properties"]["s2:processing_baseline"] = "05.00"
    items[0]["assets"]["B03"]["raster:bands"] = [{"scale": 0.001, "offset": -0.1}]


def with_two_offsets(items):
    items[0]["properties"]["s2:processing_baseline"] = "05.00"
    items[0]["assets"]["B03"]["raster:bands"] = [{"scale": 0.0001, "offset": -0.1}]
    items[0]["assets"]["B04"]["raster:bands"] = [{"scale": 0.0001, "offset": -0.2}]


def stored_otherwise(items):
    items[0]["assets"]["B02"]["raster:bands"] = [{"data_type": "int16", "nodata": -999}]


@pytest.mark.parametrize(
    ("spoil", "error", "sentence"),
    [
        (without_crs, ValueError, "names no coordinate reference system: say which"),
        (with_another_crs, ValueError, r"several coordinate reference systems \(EPSG:32631, EPSG:32632\): choose"),
        (without_bands, ValueError, "has no asset of a Sentinel-2 band, only thumbnail"),
        (without_a_file, FileNotFoundError, "An asset of the item S2_20180615_0_0 is missing, there is no"),
        (in_other_steps, ValueError, "in steps of 0.001 instead of 0.0001: rescale"),
        (with_two_offsets, ValueError, r"have different offsets \(1000, 2000\)"),
        (stored_otherwise, ValueError, "stored in several ways"),
    ],
)
def test_a_bad_collection_is_refused_in_one_sentence(tmp_path, cube, spoil, error, sentence):
    items = mixed_items(tmp_path, cube)
    spoil(items)
    with pytest.raises(error, match=sentence) as caught:
        open_stac(save_items(tmp_path, items))
    assert "\n" not in str(caught.value)


def test_a_bad_file_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        open_stac(tmp_path / "nowhere.json")
    for content in ("no json", "[]", "{}", '{"type": "FeatureCollection", "features": [{"type": "Feature"}]}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(ValueError, match="is no STAC item collection") as caught:
            open_stac(tmp_path / "bad.json")
        assert "\n" not in str(caught.value)


def hls_items(folder, count=2, *, nodata=-9999, kind=np.int16):
    """Write items without `raster:bands`, as those of HLS are: their files alone tell how they are stored."""
    low = small_cube(4, 4, TIMES[:count])
    made = open_cube(low.map(lambda band: (band - 150).astype(kind) if band.ndim else band)).assign_attrs(nodata=nodata)
    names = {**PLANETARY_COMPUTER, "SCL": "Fmask"}
    items = []
    for index in range(count):
        item = write_item(folder, made, index, names=names, name=f"HLS.S30.T31UDS.{index}")
        for asset in item["assets"].values():
            path = folder / asset["href"]
            with rasterio.open(path) as raster:
                values, y, x = raster.read(1), made["y"].values, made["x"].values
            write_cog(path, values, y, x, made.rio.crs, nodata)
        items.append({**item, "collection": "HLSS30_2.0"})
    return made, items


def test_signed_numbers_keep_what_is_negative_and_take_no_data_from_their_files(tmp_path):
    made, items = hls_items(tmp_path)
    opened = open_stac(save_items(tmp_path, items))
    assert opened["reflectance"].dtype == np.int16
    assert opened.attrs["nodata"] == -9999
    np.testing.assert_array_equal(opened["reflectance"], made["reflectance"])
    assert (opened["reflectance"] < 0).any()


def test_no_data_of_signed_numbers_is_never_zero_unless_somebody_says_so(tmp_path):
    _, items = hls_items(tmp_path, nodata=None)
    assert open_stac(save_items(tmp_path, items)).attrs["nodata"] == -9999
    for item in items:
        for asset in item["assets"].values():
            asset["bands"] = [{"data_type": "int16"}]  # STAC 1.1
    assert open_stac(save_items(tmp_path, items)).attrs["nodata"] == -9999
    floats, items = hls_items(tmp_path / "floats", nodata=None, kind=np.float32)
    opened = open_stac(save_items(tmp_path / "floats", items))
    assert np.isnan(opened.attrs["nodata"])
    np.testing.assert_array_equal(opened["reflectance"], floats["reflectance"])


def test_the_mask_of_hls_hides_its_clouds(tmp_path):
    made, items = hls_items(tmp_path, 1)
    mask = np.zeros((4, 4), np.uint8)
    mask[1, :3] = 0b10, 0b1000, 255
    write_cog(tmp_path / "mask.tif", mask, made["y"].values, made["x"].values, made.rio.crs, 255)
    items[0]["assets"]["Fmask"] = {**items[0]["assets"]["B02"], "href": "./mask.tif"}
    opened = open_stac(save_items(tmp_path, items), chunks=3)
    assert opened["scl"].values[0, 1].tolist() == [9, 3, 0, 4]


def test_items_of_landsat_are_left_aside_and_named(tmp_path):
    _, items = hls_items(tmp_path)
    items[1] |= {"id": "HLS.L30.T31UDS.2018105", "collection": "HLSL30_2.0"}
    opened = open_stac(save_items(tmp_path, items))
    assert opened.sizes["time"] == 1
    assert "1 items of Landsat are left aside, HLS.L30.T31UDS.2018105 among them." in opened.attrs["notes"]
    with pytest.raises(ValueError, match="All 1 items are of Landsat, whose bands are others"):
        open_stac(save_items(tmp_path, items[1:]))


def test_notes_say_what_tells_the_offset_of_each_date(tmp_path, cube):
    items = mixed_items(tmp_path, cube)
    items[0]["properties"]["earthsearch:boa_offset_applied"] = True
    notes = open_stac(save_items(tmp_path, items)).attrs["notes"]
    assert [note for note in notes if note.startswith("Offset")] == [
        "Offset: 0 is subtracted on 2018-04-15 (earthsearch:boa_offset_applied is true, processing baseline 03.01).",
        "Offset: 1000 is subtracted on 2018-05-15 (processing baseline 04.00).",
        "Offset: 1000 is subtracted on 2018-06-15 (processing baseline 05.09).",
    ]


def test_a_box_across_180_degrees_finds_what_lies_on_both_sides(tmp_path):
    made = small_cube(6, 8, TIMES[:1]).drop_vars("spatial_ref").rio.write_crs("EPSG:32760")
    fiji = open_cube(made.assign_coords(x=made["x"] + 319_660, y=made["y"] + 2_534_600))
    item = write_item(tmp_path, fiji, 0)
    west, south, _, north = item["bbox"]
    assert west > 179
    found = open_stac(save_items(tmp_path, [item]), StacQuery(bbox=(west, south, -179.9, north)))
    assert {"y", "x"} <= set(found.sizes)
    assert np.isin(fiji["reflectance"], found["reflectance"]).all()
    assert open_cube(fiji, bbox=(west - 0.001, south - 0.001, -179.9, north + 0.001)).sizes == fiji.sizes
