import json

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from rasterio.warp import transform

from tests.support.small_cubes import CRS, small_cube
from timesenclip_hf.data.sources.arrays import import_table
from timesenclip_hf.labelling.examples import (
    Examples,
    examples_from_dataset,
    examples_from_points,
    examples_from_table,
    is_dataset,
)
from timesenclip_hf.maps.cubes import open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

LABELS = ["wheat", "maize", "wheat"]


def wide(path, **columns):
    """A table of three series, each with a row."""
    values = np.random.default_rng(0).integers(100, 4000, (3, 12, len(BANDS)))
    bands = {
        f"{band}_{month:02d}": values[:, month - 1, index] for month in range(1, 13) for index, band in enumerate(BANDS)
    }
    frame = pd.DataFrame({"id": ["a", "b", "c"], "crop": LABELS, **columns, **bands})
    frame.to_csv(path, index=False)
    return path, values


def long(path, labels=LABELS):
    """A table of three series, each with twelve rows that are not in order."""
    values = np.random.default_rng(0).integers(100, 4000, (3, 12, len(BANDS)))
    rows = [
        {
            "id": name,
            "date": f"2018-{month:02d}-15",
            "crop": labels[row],
            **dict(zip(BANDS, values[row, month - 1], strict=True)),
        }
        for month in range(1, 13)
        for row, name in enumerate("abc")
    ]
    frame = pd.DataFrame(rows)
    frame.to_csv(path, index=False)
    return frame, values


def values_of(examples: Examples) -> np.ndarray:
    return np.stack([np.asarray(item["series"]) for item in examples.series])


def test_a_table_of_a_row_a_series_gives_series_labels_groups_and_places(tmp_path):
    path, values = wide(tmp_path / "t.csv", farm=["x", "y", "x"], lon=[3.0, 3.1, 3.2], lat=[50.0, 50.1, 50.2])
    examples = examples_from_table(path, "crop", group_column="farm")
    np.testing.assert_array_equal(values_of(examples), values)
    assert (examples.labels, examples.groups) == (LABELS, ["x", "y", "x"])
    np.testing.assert_array_equal(examples.longitude, [3.0, 3.1, 3.2])
    assert examples.select(np.asarray([2])).labels == ["wheat"]


@pytest.mark.parametrize("tidy", [False, True])
def test_of_several_rows_a_series_each_takes_the_label_of_its_rows(tmp_path, tidy):
    frame, values = long(tmp_path / "t.csv")
    if tidy:
        frame = frame.melt(["id", "date", "crop"], list(BANDS), "band", "value").sample(frac=1, random_state=0)
        frame.to_csv(tmp_path / "t.csv", index=False)
    examples = examples_from_table(tmp_path / "t.csv", "crop")
    found = dict(zip(map(bytes, values_of(examples).astype(np.int64)), examples.labels, strict=True))
    assert found == dict(zip(map(bytes, values.astype(np.int64)), LABELS, strict=True))


def test_a_series_with_two_labels_is_named(tmp_path):
    frame, _ = long(tmp_path / "t.csv")
    frame.loc[0, "crop"] = "barley"
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=r"The series 'a' of t.csv has both 'barley' and 'wheat' in the column 'crop'"):
        examples_from_table(tmp_path / "t.csv", "crop")


def test_arrays_of_an_npz_are_columns(tmp_path):
    values = np.random.default_rng(0).integers(100, 4000, (3, 12, len(BANDS)))
    np.savez(tmp_path / "t.npz", X=values, y=np.asarray(LABELS))
    examples = examples_from_table(tmp_path / "t.npz", "y")
    assert (examples.labels, examples.groups, examples.longitude) == (LABELS, None, None)
    np.savez(tmp_path / "t.npz", X=values, y=np.asarray(LABELS[:2]))
    with pytest.raises(ValueError, match=r"'y' of t.npz has 2 values for 3 series"):
        examples_from_table(tmp_path / "t.npz", "y")


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path):
    path, _ = wide(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"t.csv has no column 'corp': the nearest is 'crop', its columns are id"):
        examples_from_table(path, "corp")
    with pytest.raises(ValueError, match="no column 'farm'"):
        examples_from_table(path, "crop", group_column="farm")


def test_labels_may_stand_in_a_table_of_their_own_with_a_row_a_series(tmp_path):
    path, values = wide(tmp_path / "t.csv")
    labels = {"id": ["c", "a", "b"], "kind": ["x", "y", "z"], "lon": [3.0, 3.1, 3.2], "lat": [50.0, 50.1, 50.2]}
    pd.DataFrame(labels).to_csv(tmp_path / "labels.csv", index=False)
    examples = examples_from_table(path, "kind", labels=tmp_path / "labels.csv")
    np.testing.assert_array_equal(values_of(examples), values)
    assert examples.labels == ["y", "z", "x"]
    np.testing.assert_array_equal(examples.longitude, [3.1, 3.2, 3.0])
    with pytest.raises(ValueError, match=r"labels.csv has no column 'crop'"):
        examples_from_table(path, "crop", labels=tmp_path / "labels.csv")


def test_coordinates_in_metres_are_read_by_their_reference_system_and_else_left(tmp_path):
    (east,), (north,) = transform("EPSG:4326", CRS, [3.0], [50.0])
    path, _ = wide(tmp_path / "t.csv", x=[east] * 3, y=[north] * 3)
    assert "--points-crs" in examples_from_table(path, "crop").notes[-1]
    examples = examples_from_table(path, "crop", crs=CRS)
    np.testing.assert_allclose(np.stack([examples.longitude, examples.latitude]), [[3.0] * 3, [50.0] * 3], atol=1e-6)


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return open_cube(small_cube(6, 5))


def degrees(cube: xr.Dataset, rows, columns):
    return transform(CRS, "EPSG:4326", cube["x"].values[columns], cube["y"].values[rows])


def test_points_over_a_cube_give_the_series_of_their_pixels_and_those_outside_are_counted(cube, tmp_path):
    longitude, latitude = degrees(cube, [5, 0], [4, 0])
    points = {"lon": [*longitude, 10.0], "lat": [*latitude, 3.0], "crop": LABELS}
    pd.DataFrame(points).to_csv(tmp_path / "p.csv", index=False)
    examples = examples_from_points(cube, tmp_path / "p.csv", "crop")
    np.testing.assert_array_equal(
        values_of(examples), cube["reflectance"].values[:, :, [5, 0], [4, 0]].transpose(2, 0, 1)
    )
    assert (examples.labels, dict(examples.left_out)) == (LABELS[:2], {"outside the cube": 1})
    assert (examples.reading.units, examples.reading.offset) == ("dn", 0.0)
    pd.DataFrame({**points, "lon": 10.0}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ValueError, match="None of the 3 points lies in the cube"):
        examples_from_points(cube, tmp_path / "p.csv", "crop")


def test_polygons_give_the_pixels_whose_centres_lie_in_them_as_one_group(cube, tmp_path):
    left, top = cube["x"].values[0] - 5, cube["y"].values[0] + 5
    boxes = {
        "wheat": shapely.box(left, top - 29, left + 21, top),  # two columns of three rows
        "maize": shapely.box(left + 31, top - 48, left + 33, top - 46),  # holds no centre
        "barley": shapely.box(left - 500, top, left - 400, top + 90),  # outside
    }
    features = [
        {
            "type": "Feature",
            "properties": {"crop": crop},
            "geometry": json.loads(
                shapely.to_geojson(
                    shapely.transform(box, lambda x, y: transform(CRS, "EPSG:4326", x, y), interleaved=False)
                )
            ),
        }
        for crop, box in boxes.items()
    ]
    path = tmp_path / "fields.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    examples = examples_from_points(cube, path, "crop")
    assert examples.labels == ["wheat"] * 6 + ["maize"]
    assert len(set(examples.groups)) == 2
    assert dict(examples.left_out) == {"outside the cube": 1}
    pixels = [(row, column) for row in range(3) for column in range(2)] + [(4, 3)]
    expected = np.stack([cube["reflectance"].values[:, :, row, column] for row, column in pixels])
    np.testing.assert_array_equal(values_of(examples), expected)


def test_a_dataset_gives_the_names_of_its_classes(tmp_path):
    path, values = wide(tmp_path / "t.csv", farm=["x", "y", "x"])
    labels = {"id": ["a", "b", "c"], "cover": ["wheat", "maize", ""], "land_cover": ["cropland", "water", ""]}
    pd.DataFrame(labels).to_csv(tmp_path / "labels.csv", index=False)
    import_table(path, tmp_path / "places", labels=tmp_path / "labels.csv")
    assert [is_dataset(source) for source in (tmp_path / "places", path, tmp_path)] == [True, False, False]
    examples = examples_from_dataset(tmp_path / "places", "cover")
    assert examples.labels == ["wheat", "maize", ""]
    np.testing.assert_array_equal(values_of(examples), values)
    assert examples_from_dataset(tmp_path / "places", "land_cover").labels == ["Cropland", "Water", ""]


def test_acquisitions_of_a_dataset_keep_their_dates(tmp_path):
    frame, values = long(tmp_path / "t.csv")
    frame[frame["date"] != "2018-03-15"].to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({"id": ["a", "b", "c"], "cover": LABELS}).to_csv(tmp_path / "labels.csv", index=False)
    import_table(tmp_path / "t.csv", tmp_path / "places", labels=tmp_path / "labels.csv", composite="none")
    examples = examples_from_dataset(tmp_path / "places", "cover")
    np.testing.assert_array_equal(values_of(examples), np.delete(values, 2, axis=1))
    assert [str(day) for day in examples.series[2]["dates"][:3]] == ["2018-01-15", "2018-02-15", "2018-04-15"]


def test_as_many_labels_as_series_are_asked_for():
    with pytest.raises(ValueError, match=r"There are 1 labels for 2 series: give one for each."):
        Examples(np.zeros((2, 12, 10)), ["wheat"])
