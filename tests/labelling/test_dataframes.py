import numpy as np
import pandas as pd
import pytest
from transformers import pipeline

import timesenclip_hf
from tests.support.small_cubes import small_cube
from timesenclip_hf import classify_dataframe
from timesenclip_hf.maps import map_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.pipeline_timesenclip import TASK

LABELS = ["maize", "woodland", "water"]
DATES = [f"2018-{month:02d}-15" for month in range(1, 13)]


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint):
    return pipeline(TASK, model=str(tiny_checkpoint))


@pytest.fixture(scope="module")
def series():
    return np.random.default_rng(0).integers(100, 4000, (4, 12, 10))


@pytest.fixture(scope="module")
def scores(pipe, series):
    found = pipe(series, candidate_labels=LABELS)
    return np.asarray([[{x["label"]: x["score"] for x in row}[label] for label in LABELS] for row in found])


def wide_frame(series):
    columns = {f"{band}_{day}": series[:, i, j] for i, day in enumerate(DATES) for j, band in enumerate(BANDS)}
    others = {"plot": list("dcba"), "lon": [4.1, 4.2, 4.3, 4.4], "label": ["a", None, "c", "d"]}
    return pd.DataFrame({**others, **columns}, index=[7, 5, 3, 1])


def long_frame(series):
    parts = [
        pd.DataFrame(series[index], columns=list(BANDS)).assign(
            id=f"p{index}", date=DATES, crop=crop, cloud=0.0, note=[f"{index}.{month}" for month in range(12)]
        )
        for index, crop in enumerate(["x", "y", None, "z"])
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_frame_of_a_row_a_series_keeps_every_column_and_its_index(pipe, series, scores):
    frame = wide_frame(series)
    given = frame.copy()
    found = pipe(frame, candidate_labels=LABELS)
    pd.testing.assert_frame_equal(frame, given)
    pd.testing.assert_frame_equal(found[frame.columns], frame)
    np.testing.assert_allclose(found[LABELS], scores, atol=1e-6)
    # The frame has a `label` already: what is found stands beside it.
    assert found["predicted_label"].tolist() == [LABELS[best] for best in scores.argmax(axis=1)]
    np.testing.assert_allclose(found["score"], scores.max(axis=1), atol=1e-6)


def test_a_frame_of_a_row_a_time_step_keeps_what_all_rows_of_a_series_agree_in(tiny_checkpoint, series, scores):
    frame = long_frame(series).sample(frac=1, random_state=0)
    found = classify_dataframe(frame, LABELS, tiny_checkpoint)
    expected = dict(zip([f"p{index}" for index in range(4)], scores, strict=True))
    np.testing.assert_allclose(found[LABELS], [expected[name] for name in found["id"]], atol=1e-6)
    assert dict(zip(found["id"], found["crop"].where(found["crop"].notna(), None), strict=True)) == {
        "p0": "x",
        "p1": "y",
        "p2": None,
        "p3": "z",
    }
    assert not {"note", "date", *BANDS} & set(found.columns)


def test_a_series_without_observation_has_no_label_in_a_frame(tiny_checkpoint, series):
    values = series.astype(float).copy()
    values[2] = np.nan
    found = classify_dataframe(wide_frame(values).drop(columns="label"), LABELS, tiny_checkpoint)
    assert found["label"].isna().tolist() == [False, False, True, False]
    assert found[["score", *LABELS]].isna().to_numpy().tolist() == [[x] * 4 for x in (False, False, True, False)]


def test_the_column_of_ids_is_named_where_it_is_needed(pipe, series):
    frame = long_frame(series).rename(columns={"id": "farm"}).drop(columns=["crop"])
    with pytest.raises(ValueError, match="name the column of the series with `id_column`"):
        pipe(frame, candidate_labels=LABELS)
    assert sorted(pipe(frame, candidate_labels=LABELS, id_column="farm")["id"]) == ["p0", "p1", "p2", "p3"]


def test_what_is_for_series_alone_is_refused_with_a_frame(pipe, series):
    with pytest.raises(TypeError, match="`top_k` is not for a frame"):
        pipe(wide_frame(series), candidate_labels=LABELS, top_k=1)
    with pytest.raises(ValueError, match="Give the class names"):
        pipe(wide_frame(series))


def test_a_cube_of_xarray_becomes_a_map(pipe):
    cube = small_cube(4, 3)
    found, expected = pipe(cube, candidate_labels=LABELS), map_cube(cube, LABELS, pipe, progress=False)
    assert found["class"].equals(expected["class"])
    assert found.attrs["labels"] == LABELS


def test_dictionaries_of_many_series_are_read_as_lists_of_them(pipe, series):
    expected = pipe([{"series": one, "dates": DATES} for one in series], candidate_labels=LABELS)
    assert pipe({"series": series, "dates": DATES}, candidate_labels=LABELS) == expected
    assert pipe({"series": series.tolist(), "dates": [DATES] * 4}, candidate_labels=LABELS) == expected
    shorter = [one[: 12 - index] for index, one in enumerate(series)]
    days = [DATES[: 12 - index] for index in range(4)]
    uneven = pipe({"series": shorter, "dates": days}, candidate_labels=LABELS)
    assert uneven == pipe(
        [{"series": one, "dates": own} for one, own in zip(shorter, days, strict=True)], candidate_labels=LABELS
    )
    named = pipe({"north": {"series": series[0], "dates": DATES}, "south": series[1]}, candidate_labels=LABELS)
    assert list(named) == ["north", "south"]
    assert named["north"] == expected[0]


def test_embed_gives_what_encode_gives(pipe, series):
    embeds = pipe.embed(series)
    features = pipe.processor.feature_extractor(series, return_tensors="pt")
    np.testing.assert_allclose(embeds, timesenclip_hf.encode(pipe.model, features).numpy(), atol=1e-6)
    np.testing.assert_allclose(pipe.embed(series[0]), embeds[0], atol=1e-6)
    np.testing.assert_allclose(pipe.embed(list(series)), embeds, atol=1e-6)
    np.testing.assert_allclose(pipe.embed(wide_frame(series)), pipe.embed(series, dates=DATES), atol=1e-6)
    values = series.astype(float).copy()
    values[1] = np.nan
    assert np.isnan(pipe.embed(values)).all(axis=1).tolist() == [False, True, False, False]
    assert pipe.embed([]).shape == (0, pipe.model.config.projection_dim)
    with pytest.raises(ValueError, match="keeps its embeddings with its map"):
        pipe.embed(small_cube(4, 3))
