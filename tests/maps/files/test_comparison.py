import numpy as np
import pytest
import xarray as xr

from tests.support.small_cubes import CRS, grid
from timesenclip_hf.maps import compare

LABELS = ["maize", "grass", "built-up", "water"]


def make_map(classes) -> xr.Dataset:
    values = np.asarray(classes, dtype=np.uint8)
    dataset = xr.Dataset({"class": (("y", "x"), values)}, coords=grid(*values.shape), attrs={"labels": LABELS})
    return dataset.rio.write_crs(CRS)


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


def test_a_reference_label_that_nobody_mapped_has_no_row_where_it_has_no_pixel():
    mapped = make_map([[1, 1], [0, 2]])
    reference = xr.DataArray([[0, 0], [2, 1]], dims=("y", "x"), attrs={"labels": ["maize", "grass", "water"]})
    assert compare(mapped, reference).reference_labels == ["maize", "grass"]


def test_labels_that_the_map_lacks_and_empty_comparisons_are_refused():
    mapped = make_map([[0, 1]])
    with pytest.raises(ValueError, match="'rice' is none of the map's"):
        compare(mapped, xr.DataArray([[0, 0]], dims=("y", "x"), attrs={"labels": ["rice"]}))
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(mapped, xr.DataArray([[0, -1]], dims=("y", "x"), attrs={"labels": ["maize"]}))
