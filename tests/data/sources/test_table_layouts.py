import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.table_layouts import BANDS, IDS, LAYOUTS, control, dated, rows_of
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.sources.frame_tables import table_from_frame
from timesenclip_hf.data.sources.tables import read_table

EXTRACT = TimeSenCLIPFeatureExtractor()
VALUES = control()
EXPECTED = EXTRACT(VALUES)


def features_of(table, ids=IDS, **options):
    """Features of the series by their ids, in the order of the control."""
    order = [table.ids.index(name) for name in ids]
    assert len(table.ids) == len(order)
    return {name: values[order] for name, values in EXTRACT(table.series, **options).items()}


def months_of(features):
    """The features as twelve months, whether or not the table had all of them."""
    series = np.zeros((len(IDS), 12, len(BANDS)))
    for row, (values, mask, months) in enumerate(
        zip(features["pixel_series"], features["series_mask"], features["months"], strict=True)
    ):
        series[row, months[mask].astype(int)] = values[mask]
    return series


@pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS if layout.options is not None], ids=lambda one: one.name
)
def test_every_layout_gives_the_series_of_the_control(tmp_path, layout):
    table = read_table(layout.write(tmp_path, rows_of(VALUES)))
    got = features_of(table, layout.ids, **layout.options)
    np.testing.assert_allclose(months_of(got), EXPECTED["pixel_series"], atol=1e-6)
    assert all(note.endswith(".") and "\n" not in note for note in table.notes)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout.options is None], ids=lambda one: one.name)
def test_what_could_be_misread_is_refused_in_one_sentence(tmp_path, layout):
    source = layout.write(tmp_path, rows_of(VALUES))
    with pytest.raises(ValueError, match=r"\.$") as caught:
        read_table(source)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ".csv" in sentence


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_order_of_rows_and_columns_and_no_dtype_changes_a_result(data):
    frame = dated(rows_of(VALUES))
    frame = frame.iloc[data.draw(st.permutations(range(len(frame))), label="rows")]
    frame = frame[data.draw(st.permutations(list(frame.columns)), label="columns")]
    number = data.draw(st.sampled_from(["int16", "int64", "float32", "float64", "object", "str", "Int32"]))
    frame = frame.astype(dict.fromkeys(BANDS, number))
    frame = frame.astype({"id": data.draw(st.sampled_from(["object", "str", "category"]))})
    if data.draw(st.booleans(), label="time stamps"):
        frame["date"] = pd.to_datetime(frame["date"])
    got = features_of(table_from_frame(frame))
    np.testing.assert_array_equal(months_of(got), EXPECTED["pixel_series"])
