import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wide_layouts import wide_layouts
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.sources.frame_tables import table_from_frame
from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.data.sources.wide_tables import read_wide
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.steps_timesenclip import Steps

EXTRACT = TimeSenCLIPFeatureExtractor()
VALUES = np.random.default_rng(0).integers(150, 4000, (3, 12, 10))
EXPECTED = EXTRACT(VALUES)["pixel_series"]
LAYOUTS = list(wide_layouts(VALUES))
READ = [layout for layout in LAYOUTS if layout.options is not None]
REFUSED = [layout for layout in LAYOUTS if layout.options is None]


def features_of(frame, **options):
    table = table_from_frame(frame.assign(id=list("abc")), steps=Steps(**options))
    return EXTRACT(table.series)["pixel_series"], table.notes


def test_there_are_layouts_enough():
    assert len(READ) >= 60
    assert len(REFUSED) >= 25


@pytest.mark.parametrize("layout", READ, ids=lambda layout: layout.name)
def test_a_layout_gives_the_features_of_the_documented_one(layout):
    features, notes = features_of(layout.make(), **layout.options)
    np.testing.assert_array_equal(features, EXPECTED)
    assert notes
    assert all(note.endswith(".") and "\n" not in note for note in notes)


@pytest.mark.parametrize("layout", REFUSED, ids=lambda layout: layout.name)
def test_what_could_be_misread_is_refused_in_one_sentence(layout):
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        features_of(layout.make())


def test_the_question_names_the_options_and_the_likeliest_step():
    frame = pd.DataFrame({f"{band}_{step}": [500] for step in range(1, 37) for band in BANDS})
    with pytest.raises(
        ValueError,
        match=r"B02_1 to B02_36 are numbered, and nothing says when the 36 steps were: give the date of the first and "
        r'the step, such as --start 2018-01-01 --step dekad \(in Python start="2018-01-01", step="dekad"\)',
    ):
        read_wide(frame)


@given(data=st.data(), layout=st.sampled_from(READ), kind=st.sampled_from(["int16", "float64", "str", "object"]))
@settings(max_examples=15)
def test_no_order_of_columns_and_no_dtype_changes_a_result(data, layout, kind):
    frame = layout.make()
    order = data.draw(st.randoms(use_true_random=False)).sample(range(frame.shape[1]), frame.shape[1])
    features, notes = features_of(frame.iloc[:, order].astype(kind), **layout.options)
    np.testing.assert_array_equal(features, EXPECTED)
    assert notes == features_of(frame, **layout.options)[1]


@given(data=st.data(), layout=st.sampled_from(REFUSED))
@settings(max_examples=10)
def test_no_order_of_columns_changes_a_refusal(data, layout):
    frame = layout.make()
    order = data.draw(st.randoms(use_true_random=False)).sample(range(frame.shape[1]), frame.shape[1])
    sentences = []
    for table in (frame, frame.iloc[:, order]):
        with pytest.raises(ValueError, match=r"\.$") as caught:
            features_of(table)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


def test_a_growing_season_of_months_keeps_its_months_whichever_start_is_meant():
    frame = pd.DataFrame({f"{band}_{month:02d}": [500 + month] for month in range(4, 10) for band in BANDS})
    assert read_wide(frame).items[0]["months"] == [3, 4, 5, 6, 7, 8]
    for start in ("2018-01", "2018-04-01"):
        dates = read_wide(frame, Steps(start, "month")).items[0]["dates"]
        assert [str(day) for day in dates[[0, -1]]] == ["2018-04-01", "2018-09-01"]
    with pytest.raises(ValueError, match="neither January nor the month 4"):
        read_wide(frame, Steps("2018-03", "month"))


def test_a_cell_that_is_no_number_is_named_by_its_column():
    frame = pd.DataFrame({"B02_01": [1, 2], "B03_01": [3, "cloud"]})
    with pytest.raises(ValueError, match=r"'B03_01' .* must hold numbers, got 'cloud' in row 2"):
        read_wide(frame)


def test_columns_without_a_time_are_left_aside_and_named():
    frame = pd.DataFrame({"B02_2018-01-01": [1], "B03_2018-01-01": [2], "nir": [3]})
    wide = read_wide(frame)
    assert wide.items[0]["bands"] == ["B02", "B03"]
    assert "The column nir has no time and is left aside." in wide.notes


def test_steps_are_refused_where_a_table_has_dates(tmp_path):
    frame = pd.DataFrame({f"{band}_2018-01-15": [500] for band in BANDS})
    with pytest.raises(ValueError, match="have dates already, such as B02_2018-01-15: leave the start and the step"):
        read_wide(frame, Steps("2018", "month"))
    path = tmp_path / "series.npz"
    np.savez(path, X=VALUES, dates=np.arange("2018-01", "2019-01", dtype="datetime64[M]").astype("datetime64[D]"))
    with pytest.raises(ValueError, match=r"series\.npz has times already"):
        read_table(path, steps=Steps("2018", "month"))


def test_arrays_without_dates_get_them_from_start_and_step(tmp_path):
    path = tmp_path / "series.npz"
    np.savez(path, X=VALUES.repeat(3, axis=1))
    table = read_table(path, steps=Steps("2018", "dekad"))
    np.testing.assert_array_equal(EXTRACT(table.series)["pixel_series"], EXPECTED)
    features = EXTRACT(VALUES.repeat(3, axis=1), start="2018", step="dekad")
    np.testing.assert_array_equal(features["pixel_series"], EXPECTED)
    with pytest.raises(ValueError, match="or `start` and `step`: one of the three"):
        EXTRACT(VALUES, months=np.arange(12), start="2018", step="month")
    with pytest.raises(ValueError, match="or `start` and `step`: only twelve are taken to be January to December"):
        EXTRACT(VALUES.repeat(3, axis=1))
