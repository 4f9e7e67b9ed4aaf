import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.sources.tables import read_table, write_scores
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.steps_timesenclip import Steps

DATES = [f"2018-{month:02d}-15" for month in range(1, 13)]


def digital_numbers(count=3, seed=0):
    return np.random.default_rng(seed).integers(100, 4000, (count, 12, 10))


def wide_frame(values, name="{band}_{date}"):
    columns = {
        name.format(band=band, date=date, month=month + 1): values[:, month, place]
        for month, date in enumerate(DATES)
        for place, band in enumerate(BANDS)
    }
    return pd.DataFrame({"id": [f"p{index}" for index in range(len(values))], **columns})


def long_frame(values, **columns):
    rows = [
        {"id": f"p{index}", "date": date, **dict(zip(BANDS, values[index, month], strict=True))}
        for index in range(len(values))
        for month, date in enumerate(DATES)
    ]
    return pd.DataFrame(rows).assign(**columns)


def features_of(table):
    return TimeSenCLIPFeatureExtractor()(table.series)["pixel_series"]


def expected_features(values):
    return TimeSenCLIPFeatureExtractor()(values)["pixel_series"]


@pytest.mark.parametrize(
    "name", ["{band}_{date}", "{date}_{band}", "S2-{band}-{date}", "{band}_{month:02d}", "{month}_{band}"]
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_wide_tables_are_read_in_any_spelling_of_their_columns(tmp_path, name, suffix):
    values = digital_numbers()
    path = tmp_path / f"table.{suffix}"
    frame = wide_frame(values, name).sample(frac=1, axis=1, random_state=0)
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    table = read_table(path)
    assert table.ids == ["p0", "p1", "p2"]
    np.testing.assert_array_equal(features_of(table), expected_features(values))


def test_long_tables_are_grouped_by_series_in_order_of_appearance(tmp_path):
    values = digital_numbers(4)
    frame = long_frame(values).sample(frac=1, random_state=1)
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    table = read_table(path)
    assert table.ids == frame["id"].drop_duplicates().tolist()
    order = [int(name[1:]) for name in table.ids]
    np.testing.assert_array_equal(features_of(table), expected_features(values)[order])


def test_long_tables_may_have_series_of_different_lengths_months_and_scene_classes(tmp_path):
    values = digital_numbers(2)
    frame = long_frame(values, SCL=4).assign(month=list(range(1, 13)) * 2).drop(columns="date")
    frame.loc[frame["month"] == 7, "SCL"] = 9
    path = tmp_path / "table.csv"
    frame.iloc[:20].to_csv(path, index=False)
    table = read_table(path)
    assert [len(item["series"]) for item in table.series] == [12, 8]
    mask = TimeSenCLIPFeatureExtractor()(table.series)["series_mask"]
    assert mask.sum(axis=1).tolist() == [11, 7]


def test_wide_scene_classes_hide_their_acquisitions(tmp_path):
    frame = wide_frame(digital_numbers()).assign(**{f"SCL_{date}": 4 for date in DATES})
    frame["SCL_2018-03-15"] = 8
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    mask = TimeSenCLIPFeatureExtractor()(read_table(path).series)["series_mask"]
    assert (~mask).nonzero()[1].tolist() == [2, 2, 2]


def test_empty_cells_are_missing_and_leave_the_rest_digital_numbers(tmp_path):
    values = digital_numbers().astype(float)
    values[1, 4] = np.nan
    path = tmp_path / "table.csv"
    wide_frame(values).to_csv(path, index=False)
    table = read_table(path)
    assert table.series[0]["series"].dtype.kind == "i"
    features = TimeSenCLIPFeatureExtractor()(table.series)
    assert (~features["series_mask"]).nonzero() == (np.array([1]), np.array([4]))
    np.testing.assert_array_equal(features["pixel_series"][0], expected_features(values[:1])[0])


def test_reflectance_stays_fractional(tmp_path):
    path = tmp_path / "table.csv"
    wide_frame(digital_numbers() / 10_000).to_csv(path, index=False)
    np.testing.assert_allclose(features_of(read_table(path)), expected_features(digital_numbers()), atol=1e-4)


@pytest.mark.parametrize("flat", [True, False])
def test_parquet_may_keep_a_series_in_one_cell(tmp_path, flat):
    values = digital_numbers()
    cells = [one.ravel().tolist() if flat else one.tolist() for one in values]
    path = tmp_path / "table.parquet"
    pd.DataFrame({"sample_id": [7, 8, 9], "series": cells, "dates": [DATES] * 3, "other": "x"}).to_parquet(path)
    table = read_table(path)
    assert table.ids == ["7", "8", "9"]
    np.testing.assert_array_equal(features_of(table), expected_features(values))


@pytest.mark.parametrize("per_series", [True, False])
def test_npz_may_share_dates_and_classes_or_give_them_for_each_series(tmp_path, per_series):
    values, scl = digital_numbers(), np.full(12, 4)
    scl[3] = 9
    dates = np.array(DATES)
    extra = (
        {"dates": np.tile(dates, (3, 1)), "scl": np.tile(scl, (3, 1))} if per_series else {"dates": dates, "scl": scl}
    )
    path = tmp_path / "table.npz"
    np.savez(path, X=values[..., ::-1].astype(np.uint16), bands=np.array(BANDS[::-1]), nodata=np.uint16(7), **extra)
    table = read_table(path)
    assert table.ids == ["0", "1", "2"]
    expected = expected_features(values)
    expected[:, 3] = 0
    np.testing.assert_array_equal(features_of(table), expected)


def test_npz_of_one_series_and_with_ids(tmp_path):
    path = tmp_path / "table.npz"
    np.savez(path, series=digital_numbers(1)[0], ids=np.array(["here"]))
    table = read_table(path)
    assert table.ids == ["here"]
    assert len(table) == 1


def test_a_column_can_be_named_that_holds_the_ids(tmp_path):
    path = tmp_path / "table.csv"
    wide_frame(digital_numbers()).rename(columns={"id": "Parcel"}).to_csv(path, index=False)
    assert read_table(path).ids == ["0", "1", "2"]
    assert read_table(path, id_column="parcel").ids == ["p0", "p1", "p2"]
    with pytest.raises(ValueError, match="no column 'plot': its columns are Parcel, B02_2018-01-15"):
        read_table(path, id_column="plot")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(10)), keep=st.lists(st.integers(0, 11), min_size=1, unique=True))
def test_long_rows_in_any_order_give_the_same_series(tmp_path, order, keep):
    values = digital_numbers(1)
    frame = long_frame(values).iloc[keep][["id", "date", *(BANDS[place] for place in order)]]
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    (item,) = read_table(path).series
    np.testing.assert_array_equal(item["series"], values[0][sorted(keep)])
    assert [str(date) for date in item["dates"]] == [DATES[place] for place in sorted(keep)]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("table.csv", "id,value\n1,2\n", "no column for a band"),
        ("table.csv", "B02,B03\n1,2\n", "no column 'date'"),
        ("table.csv", "id,B02,B03\n1,2,3\n", "no column 'date'"),
        ("table.csv", "id,date,B02\n", "has no rows"),
        ("table.csv", "id,date,B02\n1,2018-01-01\n", "Line 2 of table.csv has 2 cells and its header 3"),
        ("table.csv", "date,B02\n2018-01-01,5\n2018-01-01,6\n", "no column 'id'.* `id_column`"),
        ("table.csv", "plot,date,B02\nA,2018-01-01,5\nB,2018-02-01,6\n", "no column 'id'.* one of plot"),
        ("table.csv", "", "is empty"),
        ("table.csv", "id,B02_2018-01-01,B02_03\n1,2,3\n", "some columns .* dates and others months"),
        ("table.csv", "id,B02_2018-01-01,b2_20180101\n1,2,3\n", "B02 of 2018-01-01 twice"),
        (
            "table.csv",
            "id,B02_2018-01-01\n1,cloud\n",
            "'B02_2018-01-01' of table.csv must hold numbers, got 'cloud'",
        ),
        ("table.csv", "id,month,B02\n1,13,5\n", "must be 1 to 12, got 13"),
        ("table.csv", "id,date,B02\n1,yesterday,5\n", "'yesterday' is not a date"),
        ("table.csv", "id,date,B02,blue\n1,2018-01-01,5,6\n", "names a band twice"),
        ("table.parquet", "no parquet", "no Parquet file that can be read"),
        ("table.npz", "no zip", "cannot be read as NPZ"),
        ("table.xlsx", "no Excel", "no Excel file that can be read"),
        ("table.doc", "no table", "no form that is read here"),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=f"(?i){sentence}") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"Y": np.zeros(3)}, "no array 'series' or 'X': its arrays are Y"),
        ({"X": np.zeros(3)}, r"must be \(series, time, band\), got \(3,\)"),
        ({"X": np.ones((3, 12, 10)), "ids": np.arange(2)}, "2 ids for 3 series"),
        ({"X": np.ones((3, 12, 10)), "dates": np.array([DATES] * 2)}, "2 entries for 3 series"),
        ({"X": np.array([None])}, "cannot be read as NPZ"),
    ],
)
def test_a_bad_npz_is_refused_in_one_sentence(tmp_path, arrays, sentence):
    path = tmp_path / "table.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=sentence):
        read_table(path)


def test_a_cell_that_is_no_series_is_named_by_its_row_and_stops_no_other(tmp_path):
    path = tmp_path / "table.parquet"
    values = digital_numbers(4).astype(float)
    cells = [values[0].tolist(), None, [[1.0, 2.0], [3.0]], values[3].tolist()]
    dates = [DATES, DATES, DATES, DATES]
    pd.DataFrame({"id": list("abcd"), "series": cells, "dates": dates}).to_parquet(path)
    table = read_table(path)
    assert table.ids == list("abcd")
    features = TimeSenCLIPFeatureExtractor()(table.series, allow_empty=True)
    assert features["series_mask"].any(axis=1).tolist() == [True, False, False, True]
    assert "Row 2 of table.parquet has no series, as have 1 others: left without an observation." in table.notes
    pd.DataFrame({"series": [values[0].tolist()] * 2, "dates": [DATES, DATES[:5]]}).to_parquet(path)
    assert read_table(path).notes == [
        "Row 2 of table.parquet has 5 dates for 12 time steps: left without an observation."
    ]
    pd.DataFrame({"series": [[[1.0, 2.0], [3.0]]]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"Row 1 of table\.parquet has a series that is not"):
        read_table(path)


def test_scores_are_written_with_the_best_first_and_empty_series_without_label(tmp_path):
    scores = np.array([[0.2, 0.7, 0.1], [np.nan] * 3, [0.5, 0.25, 0.25]], dtype=np.float32)
    write_scores(tmp_path / "new" / "out.csv", ["a", "b", "c"], ["x", "y", "z"], scores)
    frame = pd.read_csv(tmp_path / "new" / "out.csv")
    assert list(frame.columns) == ["id", "label", "score", "x", "y", "z"]
    assert frame["label"].tolist()[::2] == ["y", "x"]
    assert frame.loc[1].drop("id").isna().all()
    np.testing.assert_allclose(frame[["x", "y", "z"]], scores, atol=1e-4)
    write_scores(tmp_path / "top.csv", ["a", "b", "c"], ["x", "y", "z"], scores, top_k=2)
    top = pd.read_csv(tmp_path / "top.csv")
    assert list(top.columns) == ["id", "label", "score", "label_2", "score_2"]
    assert top.loc[0, ["label", "label_2"]].tolist() == ["y", "x"]
    novelty = np.array([0.25, np.nan, 1.5], dtype=np.float32)
    write_scores(tmp_path / "novel.csv", ["a", "b", "c"], ["x", "y", "z"], scores, novelty=novelty, fitted=True)
    novel = pd.read_csv(tmp_path / "novel.csv")
    assert list(novel.columns) == ["id", "label", "score", "novelty", "fitted", "x", "y", "z"]
    np.testing.assert_array_equal(novel["novelty"], novelty)
    with pytest.raises(ValueError, match="top_k"):
        write_scores(tmp_path / "top.csv", ["a"], ["x"], scores, top_k=0)


@pytest.mark.real_data
def test_real_npz_tables_are_read_and_composited(real_data):
    france = read_table(real_data / "worldcereal_france_2023_dekad" / "series.npz")
    features = TimeSenCLIPFeatureExtractor()(france.series, year=2023, allow_empty=True)
    assert features["pixel_series"].shape == (500, 12, 10)
    assert features["series_mask"].sum(axis=1).mean() > 8
    africa = read_table(real_data / "worldcereal_eastafrica_2017_monthly" / "series.npz")
    assert len(africa) == 500


def test_a_table_without_ids_in_which_no_date_comes_twice_is_one_series(tmp_path):
    values = digital_numbers(1)
    path = tmp_path / "pixel.csv"
    long_frame(values).drop(columns="id").to_csv(path, index=False)
    table = read_table(path)
    assert table.ids == ["pixel"]
    np.testing.assert_array_equal(features_of(table), expected_features(values))


def test_wide_rows_may_have_their_own_baselines(tmp_path):
    values = digital_numbers(2)
    path = tmp_path / "table.csv"
    shifted = values + np.array([0, 1000])[:, None, None]
    wide_frame(shifted).assign(processing_baseline=["03.01", "N0500"]).to_csv(path, index=False)
    np.testing.assert_array_equal(features_of(read_table(path)), expected_features(values))


@pytest.mark.parametrize(
    ("name", "steps", "times"),
    [
        ("{band}_month{month}", None, ("months", list(range(12)))),
        ("OPTICAL-{band}-ts{month}-10m", Steps("2018-01", "month"), ("dates", [date[:7] + "-01" for date in DATES])),
    ],
)
def test_a_date_of_the_survey_beside_columns_with_times_dates_no_row_of_a_wide_table(tmp_path, name, steps, times):
    values = digital_numbers()
    wide_frame(values, name).assign(start_date="2018-01-01", date="2018-06-05").to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", steps=steps)
    assert [list(map(str, item[times[0]])) for item in table.series] == [list(map(str, times[1]))] * 3
    assert np.array_equal([item["series"] for item in table.series], values)


def test_ids_that_stand_in_several_rows_of_a_wide_table_are_noted(tmp_path):
    frame = wide_frame(digital_numbers()).assign(id=["a", "b", "a"], year=[2018, 2018, 2019])
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    assert table.ids == ["a", "b", "a"]
    assert "1 ids stand in several rows, such as a: each row is a series of its own." in table.notes


def test_steps_of_which_nothing_says_when_they_were_are_months_and_that_is_noted(tmp_path):
    np.savez(tmp_path / "t.npz", X=digital_numbers(), y=np.arange(3))
    assert read_table(tmp_path / "t.npz").notes == [
        "Left aside of t.npz: the arrays y.",
        "Nothing says when the time steps were: twelve are read as the months January to December.",
    ]


@pytest.mark.parametrize("name", ["doy", "timestamps"])
def test_times_of_another_name_are_not_passed_over(tmp_path, name):
    np.savez(tmp_path / "t.npz", X=digital_numbers(), **{name: np.arange(90, 330, 20)})
    cells = {"series": [digital_numbers()[0].tolist()], name: [list(range(90, 330, 20))]}
    pd.DataFrame(cells).to_parquet(tmp_path / "t.parquet")
    for file in ("t.npz", "t.parquet"):
        with pytest.raises(ValueError, match=f"{file} has '{name}', but neither 'dates' nor 'months': call it 'dates'"):
            read_table(tmp_path / file)


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("month", list(range(1, 13)) * 3, "Row 1 of t.csv has the date 2018-06-05, but 1 in month: remove or rename"),
        (
            "product_id",
            [f"{day.replace('-', '')}T105421_N" for day in DATES] * 3,
            "but 20180115T105421_N in product_id",
        ),
    ],
)
def test_a_date_that_is_not_the_time_of_the_row_is_asked_about(tmp_path, column, cells, message):
    frame = long_frame(digital_numbers()).assign(**{column: cells})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert len(read_table(tmp_path / "t.csv").series[0]["dates"]) == 12
    frame.assign(date="2018-06-05").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "t.csv")
