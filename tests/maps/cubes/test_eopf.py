import json
import pickle

import numpy as np
import pytest
import xarray as xr
import zarr

from tests.support.eopf_stores import at_real_place, give_real_metadata, write_eopf, write_geozarr, write_zarr_item
from tests.support.safe_places import write_safe
from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps import map_cube
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.maps.cubes.stac import open_stac
from timesenclip_hf.maps.cubes.stac_search import StacQuery


@pytest.fixture(scope="module")
def cube():
    random = np.random.default_rng(5)
    made = small_cube(12, 12, MONTHS[3:6])
    made["B02"][0, 5, 5] = 0
    for band in made.data_vars:
        made[band][1, :2] = 0
    return open_cube(made.assign(SCL=(("time", "y", "x"), random.choice(np.array([4, 5, 9], np.uint8), (3, 12, 12)))))


def products(folder, cube, write, **options):
    for index in range(3):
        write(folder, cube, index, **options)
    return folder


@pytest.fixture(scope="module")
def safe(tmp_path_factory, cube):
    return products(tmp_path_factory.mktemp("safe"), cube, write_safe, baseline="05.11", offset=1000)


FORMS = {
    "eopf": (write_eopf, {}),
    "eopf, its scale in _eopf_attrs": (write_eopf, {"nested_scale": True}),
    "geozarr": (write_geozarr, {}),
    "geozarr, computed in 32 bits": (write_geozarr, {"dtype": "float32"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_products_in_zarr_give_the_same_map_as_in_safe_bit_for_bit(tmp_path, cube, safe, form, tiny_pipeline):
    write, options = FORMS[form]
    folder = products(tmp_path / "products", cube, write, **options)
    maps = [map_cube(path, "maize,water,houses", tiny_pipeline, progress=False) for path in (safe, folder)]
    xr.testing.assert_identical(*(mapped.drop_attrs(deep=False) for mapped in maps))
    assert (maps[0]["class"] > 0).any()


def test_numbers_offset_and_no_data_are_those_of_safe(tmp_path, cube, safe):
    opened, expected = open_cube(products(tmp_path, cube, write_eopf)), open_cube(safe)
    assert opened["reflectance"].dtype == np.uint16
    for name in ("reflectance", "scl", "offset"):
        np.testing.assert_array_equal(opened[name], expected[name])
    assert opened.attrs["nodata"] == 0
    assert opened.rio.crs == expected.rio.crs
    note = "Offset: 1000 is subtracted on every date (add_offset of the product, processing baseline 05.11)."
    assert note in opened.attrs["notes"]
    assert str(opened["time"].values[0])[:19] == "2018-04-15T10:50:31"


def test_a_product_before_the_offset_has_none(tmp_path, cube):
    opened = open_cube(write_eopf(tmp_path, cube, 0, baseline="02.07"))
    assert opened["offset"].values.tolist() == [0]
    fine = opened["reflectance"].sel(band="B02")[0]
    np.testing.assert_array_equal(fine, cube["reflectance"].sel(band="B02")[0])


@pytest.mark.parametrize("decoded", [True, False])
def test_a_tree_is_read_decoded_or_not_and_its_offset_subtracted_once(tmp_path, cube, decoded):
    path = write_eopf(tmp_path, cube, 0)
    opened = open_cube(xr.open_datatree(path, engine="zarr", mask_and_scale=decoded))
    expected = open_cube(path)
    if decoded:
        assert "offset" not in opened.coords
        numbers = np.rint(opened["reflectance"].values.astype(np.float64) * 10_000) + 1000
        np.testing.assert_array_equal(np.nan_to_num(numbers), expected["reflectance"])
    else:
        np.testing.assert_array_equal(opened["reflectance"], expected["reflectance"])
        assert opened["offset"].values.tolist() == [1000]


@pytest.mark.parametrize("write", [write_eopf, write_geozarr])
def test_a_product_read_piece_by_piece_in_any_process_is_what_is_read_at_once(tmp_path, cube, write):
    path = write(tmp_path, cube, 0)
    lazy = pickle.loads(pickle.dumps(open_cube(path, chunks=5)))
    assert lazy["reflectance"].data.chunksize == (1, 10, 5, 5)
    xr.testing.assert_identical(lazy.load(scheduler="synchronous"), open_cube(path))


def test_a_tree_of_dask_arrays_is_mapped_lazily(tmp_path, cube, tiny_pipeline):
    path = write_eopf(tmp_path, cube, 0)
    mapped = map_cube(xr.open_datatree(path, engine="zarr", chunks={"x": 6}), "maize,water", tiny_pipeline)
    assert mapped["class"].chunks is not None
    expected = map_cube(path, "maize,water", tiny_pipeline, progress=False)
    np.testing.assert_array_equal(mapped["probability"], expected["probability"])


def test_a_group_of_a_product_stands_for_the_product(tmp_path, cube):
    path = write_eopf(tmp_path, cube, 0)
    group = path / "measurements" / "reflectance" / "r10m"
    xr.testing.assert_identical(open_cube(group), open_cube(path))


def test_items_whose_assets_are_groups_of_stores_are_the_products(tmp_path, cube):
    paths = [write_eopf(tmp_path, cube, index) for index in range(3)]
    items = [write_zarr_item(tmp_path, cube, index, path) for index, path in enumerate(paths)]
    saved = tmp_path / "items.json"
    saved.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    xr.testing.assert_identical(open_stac(saved), open_cube(paths))
    assert open_stac(saved, StacQuery(dates="2018-05"), chunks=5).sizes["time"] == 1
    with pytest.raises(ValueError, match=r"own grid, of 10: leave `resolution` out"):
        open_stac(saved, StacQuery(resolution=20))
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace("./", "https://example.com/")
    saved.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    with pytest.raises(ValueError, match=r"bands in a Zarr store at https://example.com/.*: fetch the products"):
        open_stac(saved)


def test_what_is_no_product_of_the_surface_is_refused_in_one_sentence(tmp_path, cube):
    with pytest.raises(ValueError, match=r"top of the atmosphere \(L1C\): give the L2A product"):
        open_cube(write_eopf(tmp_path, cube, 0, level="L1C"))
    packed = tmp_path / "S2A_MSIL2A_20180415T105031.zarr.zip"
    packed.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"\.zarr\.zip is zipped: unpack it"):
        open_cube(packed)
    undated = write_eopf(tmp_path, cube, 1).rename(tmp_path / "product.zarr")
    zarr.open_group(undated, mode="a").attrs["stac_discovery"] = {}
    with pytest.raises(ValueError, match=r"product\.zarr does not tell its date"):
        open_cube(undated)


def test_a_store_whose_root_says_nothing_has_the_date_of_its_name(tmp_path, cube):
    """As the GeoZarr stores of EOPF-Explorer's data model are."""
    folder = products(tmp_path, cube, write_geozarr)
    for store in folder.iterdir():
        described = json.loads((store / "zarr.json").read_text())
        (store / "zarr.json").write_text(json.dumps({**described, "attributes": {}}))
    opened = open_cube(folder)
    assert opened["time"].values.astype("datetime64[s]").astype(str).tolist()[0] == "2018-04-15T10:50:31"
    assert opened.sizes["time"] == 3


def test_stores_with_the_metadata_of_a_real_product_give_the_map_of_safe_bit_for_bit(tmp_path, tiny_pipeline):
    random = np.random.default_rng(6)
    classes = random.choice(np.array([4, 5, 9], np.uint8), (3, 12, 12))
    made = at_real_place(small_cube(12, 12, MONTHS[3:6]))
    moved = open_cube(made.assign(SCL=(("time", "y", "x"), classes)))
    products(tmp_path / "safe", moved, write_safe, baseline="05.11", offset=1000)
    expected = map_cube(tmp_path / "safe", "maize,water", tiny_pipeline, progress=False)
    for form, write in (("eopf", write_eopf), ("geozarr", write_geozarr)):
        for store in products(tmp_path / form, moved, write).iterdir():
            give_real_metadata(store, form)
        got = map_cube(tmp_path / form, "maize,water", tiny_pipeline, progress=False)
        xr.testing.assert_identical(got.drop_attrs(deep=False), expected.drop_attrs(deep=False))
