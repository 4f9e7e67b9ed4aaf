import numpy as np
import pytest
import xarray as xr

from tests.support.small_cubes import CRS, grid, write_raster
from timesenclip_hf.maps.cubes import parse_codes, read_reference


def make_grid(height: int, width: int) -> xr.Dataset:
    return xr.Dataset(coords=grid(height, width)).rio.write_crs(CRS)


def make_reference(values, **variables) -> xr.Dataset:
    layers = {"LC": values, **variables}
    data = {name: (("y", "x"), np.asarray(layer, dtype=np.uint16)) for name, layer in layers.items()}
    return xr.Dataset(data, coords=grid(*np.shape(values))).rio.write_crs(CRS)


def test_codes_are_read_with_their_variables():
    assert parse_codes("maize=1200; grass=13,9120;built-up=LC:60") == {
        "maize": [(None, 1200)],
        "grass": [(None, 13), (None, 9120)],
        "built-up": [("LC", 60)],
    }


def test_a_variable_holds_for_the_codes_behind_it():
    assert parse_codes("maize=CT:1110,1500,LC:3,4; grass=13") == {
        "maize": [("CT", 1110), ("CT", 1500), ("LC", 3), ("LC", 4)],
        "grass": [(None, 13)],
    }


@pytest.mark.parametrize(
    "legend", ['{"maize": 1200, "grass": [13, 9120]}', '{"1200": "maize", "13": "grass", "9120": "grass"}']
)
def test_codes_are_read_from_a_legend(legend, tmp_path):
    (tmp_path / "legend.json").write_text(legend)
    codes = parse_codes(str(tmp_path / "legend.json"))
    assert codes == {"maize": [(None, 1200)], "grass": [(None, 13), (None, 9120)]}


@pytest.mark.parametrize(
    ("legend", "message"),
    [
        ('{"maize": 1.5}', "1.5 is no code"),
        ("[1]", "must be such as"),
        ("{", "cannot be read"),
        ("{}", "must be such as"),
    ],
)
def test_a_legend_without_codes_is_refused(legend, message, tmp_path):
    (tmp_path / "legend.json").write_text(legend)
    with pytest.raises(ValueError, match=message):
        parse_codes(str(tmp_path / "legend.json"))


@pytest.mark.parametrize("text", ["maize", "maize=", "=3", "maize=a", "maize=1;maize=2", "", ";"])
def test_bad_codes_are_refused(text):
    with pytest.raises(ValueError, match='write "maize=1200'):
        parse_codes(text)


def test_labels_may_come_from_several_variables_of_a_netcdf(tmp_path):
    path = tmp_path / "labels.nc"
    make_reference([[11, 11, 13], [60, 99, 13]], CT=[[1200, 5100, 0], [0, 0, 0]]).to_netcdf(path, engine="h5netcdf")
    codes = parse_codes("maize=CT:1200;grass=13;built-up=60")
    reference = read_reference(path, codes, make_grid(2, 3), variable="LC")
    assert reference.values.tolist() == [[0, -1, 1], [2, -1, 1]]
    assert reference.attrs["labels"] == ["maize", "grass", "built-up"]


@pytest.mark.parametrize("size", [10.0, 20.0])
def test_a_geotiff_of_codes_is_laid_on_the_map_by_nearest_neighbour(tmp_path, size):
    codes = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    path = write_raster(tmp_path / "labels.tif", codes, size=size)
    reference = read_reference(path, {"maize": [(None, code) for code in range(12)]}, make_grid(6, 8))
    repeated = (
        codes[0].repeat(2, 0).repeat(2, 1) if size == 20 else np.pad(codes[0], ((0, 3), (0, 4)), constant_values=99)
    )
    np.testing.assert_array_equal(reference.values, np.where(repeated < 12, 0, -1))


@pytest.mark.parametrize(
    ("codes", "variable", "sentence"),
    [
        ("maize=1", None, "has several variables: name one of LC, CT"),
        ("maize=1", "XX", "has no variable 'XX': name one of LC, CT"),
        ("maize=77", "LC", "No pixel of labels.nc has one of the codes of maize"),
        ("maize=11;grass=11", "LC", "covers pixels of another label"),
    ],
)
def test_a_bad_reference_is_refused_in_one_sentence(tmp_path, codes, variable, sentence):
    path = tmp_path / "labels.nc"
    make_reference([[11, 13]], CT=[[1, 2]]).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match=sentence):
        read_reference(path, parse_codes(codes), make_grid(1, 2), variable=variable)


def test_a_reference_elsewhere_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_reference(tmp_path / "nowhere.tif", {"maize": [(None, 1)]}, make_grid(1, 1))
    other = write_raster(tmp_path / "other.tif", np.ones((1, 2, 2), np.uint8), crs="EPSG:32632")
    with pytest.raises(ValueError, match="another coordinate reference system"):
        read_reference(other, {"maize": [(None, 1)]}, make_grid(2, 2))
    far = make_grid(2, 2).assign_coords(x=[1.0, 11.0])
    with pytest.raises(ValueError, match="does not overlap"):
        read_reference(write_raster(tmp_path / "here.tif", np.ones((1, 2, 2), np.uint8)), {"maize": [(None, 1)]}, far)
