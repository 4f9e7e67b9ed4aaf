import numpy as np
import pystac
import pytest

from timesenclip_hf.maps.cubes.stac_items import read_scene


def make_item(assets=None, **properties):
    fields = {
        "datetime": "2022-05-01T10:00:00Z",
        **{key.replace("__", ":"): value for key, value in properties.items()},
    }
    named = assets or {"B04": {"href": "https://nowhere.invalid/B04.tif"}}
    return pystac.Item.from_dict(
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": properties.pop("name", "item"),
            "geometry": None,
            "properties": fields,
            "links": [],
            "assets": named,
        }
    )


def red(**fields):
    return {
        "red": {"href": "https://nowhere.invalid/B04.tif", **{key.replace("__", ":"): v for key, v in fields.items()}}
    }


@pytest.mark.parametrize(
    ("item", "offset"),
    [
        (make_item(s2__processing_baseline="04.00"), 1000),
        (make_item(s2__processing_baseline="03.01"), 0),
        (make_item(sentinel__processing_baseline="04.00", sentinel__boa_offset_applied=True), 0),
        (make_item(processing__version="05.10"), 1000),
        (make_item(processing__version="1.2.0"), np.nan),
        (make_item(s2__processing_baseline="99.99"), np.nan),
        (make_item(s2__product_uri="S2A_MSIL2A_20230701T103631_N0509_R008_T31UFU_20230701T200058.SAFE"), 1000),
        (make_item(name="S2A_MSIL2A_20180701T103631_N0208_R008_T31UFU_20180701T200058"), 0),
        (make_item(), np.nan),
        (make_item(red(raster__bands=[{"scale": 0.0001, "offset": -0.1}])), 1000),
        (make_item(red(raster__bands=[{"scale": 0.0001, "offset": 0}]), s2__processing_baseline="05.00"), 0),
        (make_item(red(raster__bands=[{"scale": 0.0001, "offset": -0.1}]), s2__processing_baseline="03.00"), 0),
        (make_item(red(raster__scale=0.0001, raster__offset=-0.1)), 1000),
        (make_item(red(bands=[{"name": "red", "raster:scale": 0.0001, "raster:offset": -0.1}])), 1000),
        (make_item(red(raster__bands=[{"scale": 0.0001}]), s2__processing_baseline="05.00"), 1000),
    ],
)
def test_the_offset_of_an_item_is_told_by_flag_baseline_or_bands(item, offset):
    np.testing.assert_equal(read_scene(item, None).offset, offset)


def test_assets_are_found_by_their_names_and_then_by_their_description():
    def asset(name, **fields):
        return {"href": f"https://nowhere.invalid/{name}", **fields}

    item = make_item(
        {
            "red-jp2": asset("jp2", **{"eo:bands": [{"name": "red", "common_name": "red"}]}),
            "red": asset("tif", **{"eo:bands": [{"name": "red", "common_name": "red"}]}),
            "visual": asset("rgb", **{"eo:bands": [{"name": "red"}, {"name": "green"}, {"name": "blue"}]}),
            "B02_60m": asset("coarse"),
            "B02_10m": asset("fine"),
            "B02_20m": asset("middle"),
            "reddest": asset("edge", bands=[{"name": "B07", "eo:common_name": "rededge"}]),
            "scl": asset("classes"),
            "thumbnail": asset("small"),
            "AOT_20m": asset("air"),
            "nir09": asset("vapour"),
        }
    )
    opened = {band: asset.href.rpartition("/")[2] for band, asset in read_scene(item, None).item.assets.items()}
    assert opened == {"B04": "tif", "B02": "fine", "B07": "edge", "SCL": "classes"}
