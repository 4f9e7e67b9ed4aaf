"""Coordinate reference systems are read in the spellings that people and files use."""

import pytest

from timesenclip_hf.gate.crs import check_crs, read_crs

pytestmark = pytest.mark.needs_extra("map")
rasterio_crs = pytest.importorskip("rasterio.crs")
UTM, WEB_MERCATOR = (rasterio_crs.CRS.from_epsg(code) for code in (32631, 3857))


@pytest.mark.parametrize(
    "spelling",
    [
        32631,
        "32631",
        "epsg:32631",
        "urn:ogc:def:crs:EPSG::32631",
        "urn:ogc:def:crs:EPSG:9.8.6:32631",
        UTM,
        UTM.to_wkt(),
        UTM.to_wkt(version="WKT2_2019"),
        "+proj=utm +zone=31 +datum=WGS84 +units=m +no_defs +type=crs",
    ],
)
def test_a_system_is_read_in_any_usual_spelling(spelling):
    assert read_crs(spelling).to_epsg() == 32631


def test_projs_json_and_the_codes_of_other_registers_are_read():
    pyproj = pytest.importorskip("pyproj")
    assert read_crs(pyproj.CRS.from_epsg(2154).to_json()).to_epsg() == 2154
    assert read_crs("ESRI:102030").is_projected
    assert read_crs("OGC:CRS84").is_geographic
    assert read_crs("WGS84").to_epsg() == 4326


def test_a_grid_that_is_none_or_projs_own_is_no_file():
    # Web Mercator says in WKT 1 that it takes no grid.
    assert "nadgrids=@null" in WEB_MERCATOR.to_wkt(version="WKT1_GDAL")
    assert read_crs(WEB_MERCATOR.to_wkt(version="WKT1_GDAL")).is_projected
    assert check_crs(WEB_MERCATOR) is WEB_MERCATOR
    assert read_crs("+proj=longlat +ellps=bessel +nadgrids=BETA2007.gsb +type=crs").is_geographic


@pytest.mark.parametrize("spelling", ["", None, "a.prj", "EPSG:", "EPSG:1", "9" * 30, "{", "PROJCS[", "+proj=nothing"])
def test_what_is_no_system_is_refused_in_one_sentence(spelling):
    with pytest.raises(
        ValueError, match=r"is not a coordinate reference system: write for example EPSG:32631"
    ) as caught:
        read_crs(spelling)
    assert "\n" not in str(caught.value)
