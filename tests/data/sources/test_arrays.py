from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.collate import SeriesRows
from timesenclip_hf.data.opening import read_dataset
from timesenclip_hf.data.schema import MISSING, as_series
from timesenclip_hf.data.sources.arrays import dataset_from_series, import_table, write_dataset
from timesenclip_hf.data.sources.tables import SeriesTable
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS

EXTRACT = TimeSenCLIPFeatureExtractor()
DATES = [f"2018-{month:02d}-15" for month in range(1, 13)]


def digital_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(200, 5000, shape)


def test_an_array_of_twelve_months_is_kept_value_by_value():
    series = digital_numbers(5, 12, 10)
    series[1, 4] = MISSING
    dataset = dataset_from_series(series)
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:]), series)
    assert dataset["point_id"][:] == ["0", "1", "2", "3", "4"]
    assert dataset[1]["observed"] == [month != 4 for month in range(12)]
    assert dataset[0]["months"] == list(range(12))


def test_reflectance_and_bands_in_any_order_and_spelling_are_the_same_dataset():
    series = digital_numbers(3, 12, 10)
    bands = ["B12", "B11", "B8A", "B8", "B7", "B6", "B5", "B4", "B3", "B2"]
    given = dataset_from_series((series / 10_000).astype(np.float32)[:, :, ::-1], bands=bands)
    np.testing.assert_array_equal(given["series"][:], dataset_from_series(series)["series"][:])


def test_dated_acquisitions_become_months_of_one_year():
    table = SeriesTable(["a", "b"], [{"series": digital_numbers(12, 10, seed=s), "dates": DATES[::-1]} for s in (0, 1)])
    dataset = dataset_from_series(table)
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:])[0], digital_numbers(12, 10)[::-1])
    assert dataset["point_id"][:] == ["a", "b"]
    assert dataset["year"][:] == [2018, 2018]


def test_every_acquisition_may_be_kept_with_its_date():
    items = [
        {"series": digital_numbers(times, 10), "dates": [f"2018-07-{day:02d}" for day in range(1, times + 1)]}
        for times in (3, 5)
    ]
    items[1]["series"][2] = MISSING
    dataset = dataset_from_series(items, composite="none")
    assert [len(dates) for dates in dataset["dates"]] == [3, 5]
    assert [len(series) for series in dataset["series"]] == [30, 50]
    assert dataset[1]["observed"] == [True, True, False, True, True]
    assert dataset[0]["dates"][0] == "2018-07-01"


def test_dates_of_several_years_are_read_in_the_twelve_months_with_the_most_observations_or_as_asked():
    series, dates = digital_numbers(1, 12, 10), ["2017-12-15", *DATES[1:]]
    (row,) = dataset_from_series(series, dates=dates)
    assert (row["year"], row["observed"]) == (2018, [False] + [True] * 11)
    (row,) = dataset_from_series(series, dates=dates, season="2017-12")
    assert (row["year"], row["observed"][0], row["observed"][11]) == (2018, False, True)
    (native,) = dataset_from_series(series, dates=dates, season="2017-12", composite="none")
    assert native["dates"] == dates[:-1]
    row = dataset_from_series(series, dates=dates, year=2018)[0]
    assert row["observed"] == [False] + [True] * 11
    native = dataset_from_series(series, dates=dates, year=2018, composite="none")[0]
    assert native["dates"] == DATES[1:]


def test_series_without_a_clear_observation_are_left_out_with_their_columns_and_listed():
    series = digital_numbers(4, 12, 10)
    series[2] = MISSING
    problems = []
    dataset = dataset_from_series(series, {"country": ["BE", "FR", "IT", "ES"]}, problems=problems)
    assert dataset["country"][:] == ["BE", "FR", "ES"]
    assert [(problem.reason, problem.point_id) for problem in problems] == [("no clear observation", "2")]


def test_classes_are_told_by_codes_names_and_indices_and_strange_ones_counted():
    columns = {
        "lc1": ["B16", "E20", "Q1"],
        "bioregion": ["Atlantic", 8, "Narnia"],
        "label": ["maize", "meadow", "?"],
    }
    problems = []
    dataset = dataset_from_series(digital_numbers(3, 12, 10), columns, problems=problems)
    assert dataset["land_cover"][:] == [1, 4, -1]
    assert dataset["bioregion"][:] == [3, 8, -1]
    assert dataset["label"][:] == ["maize", "meadow", "?"]
    assert [problem.detail for problem in problems] == ["lc1=Q1", "bioregion=Narnia"]
    assert not any(problem.skipped for problem in problems)


def test_swapped_coordinates_are_mended_by_the_country():
    columns = {"country": ["FR", "FR"], "longitude": [2.0, 48.0], "latitude": [48.0, 2.0]}
    problems = []
    dataset = dataset_from_series(digital_numbers(2, 12, 10), columns, problems=problems)
    assert dataset["longitude"][:] == [2.0, 2.0]
    assert [problem.reason for problem in problems] == ["coordinates swapped"]


def test_patches_are_kept_and_read_as_patches():
    series = digital_numbers(2, 12, 10, 3, 3)
    dataset = dataset_from_series(series)
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:], crop=3), series)
    assert SeriesRows(dataset, EXTRACT).__getitems__([0])["pixel_series"].shape == (1, 12, 10, 3, 3)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"country": ["BE"]}, "'country' has 1 values for 2 series"),
    ],
)
def test_a_column_of_another_length_is_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        dataset_from_series(digital_numbers(2, 12, 10), columns)


def test_nothing_but_cloud_is_an_error():
    with pytest.raises(ValueError, match="None of the 2 series has a clear observation"):
        dataset_from_series(np.full((2, 12, 10), MISSING))


def test_some_dates_and_some_none_are_refused():
    items = [{"series": digital_numbers(12, 10), "dates": DATES}, {"series": digital_numbers(12, 10)}]
    with pytest.raises(ValueError, match="Some series have dates and others none"):
        dataset_from_series(items)


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "series.npz"
    np.savez(path, series=digital_numbers(3, 12, 10), dates=DATES, ids=["a", "b", "c"])
    return path


def test_a_table_and_its_labels_are_imported_by_id(table, tmp_path):
    (tmp_path / "labels.csv").write_text("sample_id,Lon,Lat,lc1,crop\nc,3,50,B16,\nb,2,49,E20,\na,1,48,B11,Maize\n")
    report = import_table(table, tmp_path / "out", labels=tmp_path / "labels.csv")
    dataset = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert report.rows == len(dataset) == 3
    assert dataset["point_id"][:] == ["a", "b", "c"]
    assert dataset["longitude"][:] == [1.0, 2.0, 3.0]
    assert dataset["crop"][:] == [5, -1, -1]
    assert import_table(table, tmp_path / "out", labels=tmp_path / "labels.csv") == report


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_id,lon\na,1\nb,2\n", "no row for the series 'c'"),
        ("lon\n1\n2\n", "No column of labels.csv holds the ids"),
    ],
)
def test_labels_that_do_not_match_the_series_are_refused(table, tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        import_table(table, tmp_path / "out", labels=tmp_path / "labels.csv")


def test_labels_that_are_missing_are_named(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        import_table(table, tmp_path / "out", labels=tmp_path / "none.csv")


def test_a_written_dataset_keeps_its_rows_and_features(tmp_path):
    dataset = dataset_from_series(digital_numbers(5, 12, 10), {"label": list("abcde")})
    report = write_dataset(dataset, tmp_path / "out", identity={"kind": "test"})
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.features == dataset.features
    places = ["longitude", "latitude"]  # NaN here, which equals nothing
    assert list(loaded.remove_columns(places)) == list(dataset.remove_columns(places))
    assert report.points == 5


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "year", "rows"),
    [("worldcereal_france_2023_dekad", 2023, 499), ("worldcereal_eastafrica_2017_monthly", 2017, 500)],
)
def test_real_tables_give_the_model_what_the_feature_extractor_gives_it(real_data, tmp_path, name, year, rows):
    from timesenclip_hf.data.sources.tables import read_table

    folder = real_data / name
    report = import_table(folder / "series.npz", tmp_path / "out", labels=folder / "labels.csv", year=year)
    assert report.rows == rows
    dataset = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    inputs = SeriesRows(dataset, EXTRACT).__getitems__(range(rows))
    features = EXTRACT(read_table(folder / "series.npz").series, year=year, allow_empty=True)
    kept = features["series_mask"].any(axis=1)
    np.testing.assert_array_equal(inputs["series_mask"], features["series_mask"][kept])
    np.testing.assert_allclose(inputs["pixel_series"], features["pixel_series"][kept], atol=0.5 / 2_000)


def test_a_folder_of_tables_and_labels_in_a_sheet_are_imported(tmp_path):
    frame = pd.DataFrame(
        [
            {"plot": plot, "month": month, **dict(zip(BANDS, range(500, 1500, 100), strict=True))}
            for plot in ("007", "08")
            for month in range(1, 13)
        ]
    ).rename(columns={"plot": "plot_id"})
    (tmp_path / "plots").mkdir()
    for plot, part in frame.groupby("plot_id"):
        part.to_csv(tmp_path / "plots" / f"{plot}.csv", index=False)
    with pd.ExcelWriter(tmp_path / "labels.xlsx") as writer:
        pd.DataFrame({"about": ["two plots"]}).to_excel(writer, sheet_name="About", index=False)
        labels = pd.DataFrame({"PLOT_ID": ["08", "007"], "lc1": ["C10", "B16"]})
        labels.to_excel(writer, sheet_name="Plots", index=False)
    report = import_table(tmp_path / "plots", tmp_path / "out", labels=f"{tmp_path / 'labels.xlsx'}:Plots", year=2019)
    rows = read_dataset(tmp_path / "out")
    assert dict(zip(rows["point_id"], rows["lc1"], strict=True)) == {"007": "B16", "08": "C10"}
    assert "2 files are read as one table." in str(report)
