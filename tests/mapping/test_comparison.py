import numpy as np
import pytest
import xarray as xr

from tests.mapping.small_cubes import CRS, grid, write_raster
from timesenclip_hf.mapping import compare, parse_codes, read_reference

LABELS = ["maize", "grass", "built-up", "water"]


def make_map(classes) -> xr.Dataset:
    values = np.asarray(classes, dtype=np.uint8)
    dataset = xr.Dataset({"class": (("y", "x"), values)}, coords=grid(*values.shape), attrs={"labels": LABELS})
    return dataset.rio.write_crs(CRS)


def make_reference(values, **variables) -> xr.Dataset:
    layers = {"LC": values, **variables}
    data = {name: (("y", "x"), np.asarray(layer, dtype=np.uint16)) for name, layer in layers.items()}
    return xr.Dataset(data, coords=grid(*np.shape(values))).rio.write_crs(CRS)


def test_the_table_counts_what_was_mapped_for_what():
    mapped = make_map([[1, 1, 2, 2], [4, 1, 0, 3], [2, 2, 2, 0]])
    indices = np.array([[0, 0, 0, 1], [1, 1, 1, -1], [1, 1, 1, -1]])
    result = compare(mapped, xr.DataArray(indices, dims=("y", "x"), attrs={"labels": ["maize", "grass"]}))
    assert result.table.tolist() == [[2, 1, 0, 0], [1, 4, 0, 1]]
    assert result.recalls == {"maize": pytest.approx(2 / 3), "grass": pytest.approx(4 / 6)}
    assert result.balanced_accuracy == pytest.approx(2 / 3)
    assert result.accuracy == pytest.approx(6 / 9)
    assert result.majority == pytest.approx(6 / 9)
    assert (result.unlabelled, result.without_data) == (2, 1)
    lines = str(result).splitlines()
    assert lines[0].split() == ["reference", *LABELS, "recall"]
    assert lines[1].split() == ["maize", "2", "1", "0", "0", "0.667"]
    assert lines[3] == "balanced accuracy 0.667 (majority 0.500, chance 0.250)"
    assert lines[4] == "accuracy 0.667 (majority 0.667, chance 0.250)"
    assert lines[5] == "9 pixels compared; left out: 2 without one of these labels, 1 without a clear month"


def test_what_is_too_uncertain_to_name_is_left_out_and_counted():
    mapped = make_map([[1, 255, 2, 0]])
    result = compare(mapped, xr.DataArray([[0, 0, 1, 1]], dims=("y", "x"), attrs={"labels": ["maize", "grass"]}))
    assert result.table.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert (result.uncertain, result.without_data) == (1, 1)
    assert str(result).endswith("1 without a clear month, 1 uncertain")


def test_codes_are_read_with_their_variables():
    assert parse_codes("maize=1200; grass=13,9120;built-up=LC:60") == {
        "maize": [(None, 1200)],
        "grass": [(None, 13), (None, 9120)],
        "built-up": [("LC", 60)],
    }


@pytest.mark.parametrize("text", ["maize", "maize=", "=3", "maize=a", "maize=1;maize=2", "", ";"])
def test_bad_codes_are_refused(text):
    with pytest.raises(ValueError, match='write "maize=1200'):
        parse_codes(text)


def test_labels_may_come_from_several_variables_of_a_netcdf(tmp_path):
    path = tmp_path / "labels.nc"
    make_reference([[11, 11, 13], [60, 99, 13]], CT=[[1200, 5100, 0], [0, 0, 0]]).to_netcdf(path, engine="h5netcdf")
    codes = parse_codes("maize=CT:1200;grass=13;built-up=60")
    reference = read_reference(path, codes, make_map(np.ones((2, 3))), variable="LC")
    assert reference.values.tolist() == [[0, -1, 1], [2, -1, 1]]
    assert reference.attrs["labels"] == ["maize", "grass", "built-up"]


@pytest.mark.parametrize("size", [10.0, 20.0])
def test_a_geotiff_of_codes_is_laid_on_the_map_by_nearest_neighbour(tmp_path, size):
    codes = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    path = write_raster(tmp_path / "labels.tif", codes, size=size)
    mapped = make_map(np.ones((6, 8)))
    reference = read_reference(path, {"maize": [(None, code) for code in range(12)]}, mapped)
    repeated = (
        codes[0].repeat(2, 0).repeat(2, 1) if size == 20 else np.pad(codes[0], ((0, 3), (0, 4)), constant_values=99)
    )
    np.testing.assert_array_equal(reference.values, np.where(repeated < 12, 0, -1))


def test_a_reference_label_that_nobody_mapped_has_no_row_where_it_has_no_pixel():
    mapped = make_map([[1, 1], [0, 2]])
    reference = xr.DataArray([[0, 0], [2, 1]], dims=("y", "x"), attrs={"labels": ["maize", "grass", "water"]})
    assert compare(mapped, reference).reference_labels == ["maize", "grass"]


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
        read_reference(path, parse_codes(codes), make_map([[1, 1]]), variable=variable)


def test_a_reference_elsewhere_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_reference(tmp_path / "nowhere.tif", {"maize": [(None, 1)]}, make_map([[1]]))
    other = write_raster(tmp_path / "other.tif", np.ones((1, 2, 2), np.uint8), crs="EPSG:32632")
    with pytest.raises(ValueError, match="another coordinate reference system"):
        read_reference(other, {"maize": [(None, 1)]}, make_map([[1, 1], [1, 1]]))
    far = make_map([[1, 1], [1, 1]]).assign_coords(x=[1.0, 11.0])
    with pytest.raises(ValueError, match="does not overlap"):
        read_reference(write_raster(tmp_path / "here.tif", np.ones((1, 2, 2), np.uint8)), {"maize": [(None, 1)]}, far)


def test_labels_that_the_map_lacks_and_empty_comparisons_are_refused():
    mapped = make_map([[0, 1]])
    with pytest.raises(ValueError, match="'rice' is none of the map's"):
        compare(mapped, xr.DataArray([[0, 0]], dims=("y", "x"), attrs={"labels": ["rice"]}))
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(mapped, xr.DataArray([[0, -1]], dims=("y", "x"), attrs={"labels": ["maize"]}))
