"""The files of a change, read as others read them."""

import csv
import json

import numpy as np
import pytest
import rasterio

from tests.support.small_cubes import CRS, grid
from timesenclip_hf.parcels.change_files import check_change_output, write_change
from timesenclip_hf.parcels.change_layers import COLOURS, as_dataset, count_pairs, number_transitions
from timesenclip_hf.parcels.change_table import TransitionTable

xr = pytest.importorskip("xarray", reason="needs the extra map")

LABELS = ["maize", "=meadow", "water"]
NAMES = ("csv", "json", "png", "qml", "tif", "tif.aux.xml")


def make_change(shape=(6, 9), labels=LABELS, seed=0, turned=False):
    """Make what `detect_change` returns, of random classes; the first pixel has no data."""
    from timesenclip_hf.maps.making.windows import windows_of

    rng = np.random.default_rng(seed)
    layers = {name: rng.integers(1, len(labels) + 1, shape).astype(np.uint8) for name in ("from", "to")}
    layers |= {"class": np.zeros(shape, np.uint8), "probability": rng.random(shape, np.float32)}
    layers["distance"] = 2 * rng.random(shape, np.float32)
    for name in layers:
        layers[name][0, 0] = np.nan if layers[name].dtype.kind == "f" else 0
    windows = list(windows_of(shape, shape))
    pixels, hectares, without = count_pairs(layers, windows, len(labels), np.full(shape[0], 0.01))
    attributes = {
        "class_labels": list(labels),
        "labels": number_transitions(layers, windows, pixels, labels),
        "pixels": pixels.tolist(),
        "hectares": hectares.tolist(),
        "hectares_without_data": without,
        **{"years": [2019, "autumn"], "prior": 0.25, "prior_is_given": False, "threshold": 0.5, "notes": []},
        "model": "tiny",
        "class_colours": COLOURS,
    }
    placed = xr.Dataset(coords=grid(*shape)).rio.write_crs(CRS)
    found = as_dataset(placed, layers, None, attributes)
    return found.isel(y=slice(None, None, -1)) if turned else found


def test_all_files_are_written_and_nothing_else_is_left(tmp_path):
    written = write_change(make_change(), tmp_path / "change.tif")
    expected = {f"change.{name}" for name in NAMES} | {"change_scores.tif", "change_scores.qml"}
    expected |= {f"change_{part}.{name}" for part in ("from", "to") for name in ("qml", "tif", "tif.aux.xml")}
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize("turned", [False, True])
def test_rasters_hold_the_layers_with_north_up_and_the_names_of_their_codes(tmp_path, turned):
    found = make_change()
    write_change(make_change(turned=turned), tmp_path / "change.tif")
    for name, layer, labels in (
        ("change.tif", "class", found.attrs["labels"]),
        ("change_from.tif", "from", LABELS),
        ("change_to.tif", "to", LABELS),
    ):
        with rasterio.open(tmp_path / name) as raster:
            np.testing.assert_array_equal(raster.read(1), found[layer].values)
            assert raster.transform.f == 5_600_000
            assert [raster.tags()[f"CLASS_{code}"] for code in range(1, len(labels) + 1)] == list(labels)
    with rasterio.open(tmp_path / "change_from.tif") as raster:
        assert raster.tags()["YEAR"] == "2019"


def test_scores_come_back_within_half_a_step_and_no_data_stays_none(tmp_path):
    found = make_change()
    write_change(found, tmp_path / "change.tif")
    with rasterio.open(tmp_path / "change_scores.tif") as raster:
        assert raster.descriptions == ("probability", "distance")
        for band, name in enumerate(raster.descriptions, start=1):
            values = raster.read(band, masked=True) * raster.scales[band - 1] + raster.offsets[band - 1]
            assert values.mask.sum() == 1
            np.testing.assert_allclose(values.filled(np.nan), found[name].values, atol=0.00005 + 1e-6)


def test_tables_hold_the_hectares_of_every_pair_and_how_they_were_found(tmp_path):
    found = make_change()
    write_change(found, tmp_path / "change.tif")
    with (tmp_path / "change.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["from \\ to (hectares)", "maize", "'=meadow", "water"]  # no formula in a spreadsheet
    np.testing.assert_allclose([[float(cell) for cell in row[1:]] for row in rows], found.attrs["hectares"])
    content = json.loads((tmp_path / "change.json").read_text(encoding="utf-8"))
    assert content["pixels"] == found.attrs["pixels"]
    assert content["prior"] == 0.25
    assert sum(map(sum, content["hectares"])) == pytest.approx(53 * 0.01)


def test_a_file_that_is_there_is_not_replaced_unless_asked_for(tmp_path):
    (tmp_path / "change_to.tif").write_text("mine")
    with pytest.raises(FileExistsError, match=r"change_to\.tif is there already"):
        write_change(make_change(), tmp_path / "change.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["change_to.tif"]
    write_change(make_change(), tmp_path / "change.tif", overwrite=True)
    assert (tmp_path / "change_to.tif").stat().st_size > 100


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"give an output that ends in \.tif, not 'change\.gpkg'"):
        check_change_output(tmp_path / "change.gpkg")


def test_the_printed_table_has_totals_and_what_changed():
    text = str(TransitionTable.of(make_change().attrs))
    lines = text.splitlines()
    assert lines[0].split() == ["from", "\\", "to,", "ha", "maize", "=meadow", "water", "total"]
    assert lines[4].split()[0] == "total"
    assert lines[4].split()[-1] == "0.53"
    changed = np.asarray(make_change().attrs["pixels"])
    count = changed.sum() - np.trace(changed)
    assert lines[5] == f"changed from 2019 to autumn: {count / 100:.2f} of 0.53 ha ({count / 53:.1%})"
    assert lines[6] == "share of the land that changed, by the probabilities of both years: 25.0%"
    assert lines[7] == "without data in one of the years: 0.01 ha"


def test_many_classes_are_printed_as_a_list_of_the_largest_changes():
    attributes = make_change((40, 40), [f"class {index}" for index in range(12)]).attrs
    table = TransitionTable.of(attributes)
    lines = str(table).splitlines()
    assert len(lines) == 12 + 1 + 3
    assert lines[0].endswith(f"ha  {table.transitions()[0][0]} to {table.transitions()[0][1]}")
    assert "in 120 smaller changes" in lines[12]
    areas = [row[2] for row in table.transitions()]
    assert areas == sorted(areas, reverse=True)
    assert sum(areas) == pytest.approx(table.changed_hectares)
