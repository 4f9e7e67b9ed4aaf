import logging

import numpy as np
import pytest

from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip import feature_extraction_timesenclip as extraction
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.missing_bands_timesenclip import PREDICTORS, RED_EDGE, estimate_bands
from timesenclip_hf.simulator import simulate

EXTRACT = TimeSenCLIPFeatureExtractor()
SIX = ["B02", "B03", "B04", "B8A", "B11", "B12"]


def numbers(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(200, 4000, (count, 12, 10), dtype=np.uint16)


def only(values: np.ndarray, names: list[str]) -> np.ndarray:
    return values[:, :, [BANDS.index(name) for name in names]]


def test_the_red_edge_is_the_regression_on_the_other_bands():
    dn = numbers().astype(np.float32)
    dn[:, :, 3:6] = np.nan
    reflectance = only(dn, list(PREDICTORS)).astype(np.float64) / 10_000
    estimate_bands(dn, BANDS)
    for name, (constant, *weights) in RED_EDGE.items():
        expected = 10_000 * (constant + reflectance @ np.array(weights))
        np.testing.assert_allclose(only(dn, [name])[..., 0], expected, rtol=1e-5)


def test_a_value_that_is_there_is_kept_and_one_without_its_predictors_stays_missing():
    dn = numbers().astype(np.float32)
    dn[0, 2, 4] = np.nan
    dn[1, 3, [0, 4]] = np.nan
    before = dn.copy()
    estimate_bands(dn, BANDS)
    assert np.isnan(dn).sum() == 2
    dn[0, 2, 4] = np.nan
    np.testing.assert_array_equal(dn, before)


@pytest.mark.parametrize("near", ["B8A", "B08"])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_six_bands_are_read_as_ten_in_any_order_where_the_caller_says_so(near, kind, caplog):
    logging.getLogger("transformers").addHandler(caplog.handler)
    type(extraction.logger).warning_once.cache_clear()
    names = [near if name == "B8A" else name for name in SIX]
    values = numbers()
    full = values.astype(np.float32)
    full[:, :, 6] = full[:, :, 7] = full[:, :, BANDS.index(near)]
    full[:, :, 3:6] = np.nan
    estimate_bands(full, BANDS)
    expected = EXTRACT(full, units="dn")["pixel_series"]
    for order in (names, names[::-1]):
        features = EXTRACT(only(values, order).astype(kind), bands=order, missing_bands="estimate", units="dn")
        np.testing.assert_allclose(features["pixel_series"], expected, atol=1e-6)
        assert features["series_mask"].all()
    assert "B05, B06, B07 are estimated from the other bands" in caplog.text


@pytest.mark.parametrize(
    ("names", "way", "sentence"),
    [
        (SIX, None, 'The series lacks B05, B06, B07: add what is missing, or pass `missing_bands="estimate"`'),
        (
            ["B02", "B03", "B04", "B08"],
            None,
            "The series lacks B05, B06, B07, B11, B12, which nothing can stand in for",
        ),
        (
            ["B02", "B03", "B04", "B08", "B11"],
            "estimate",
            "The series lacks B05, B06, B07, B12, which nothing can stand",
        ),
        ([name for name in BANDS if name != "B11"], "estimate", "The series lacks B11, which nothing can stand in for"),
        (SIX, "mask", '`missing_bands="mask"` is for checkpoints trained with bands dropped, which this one was not'),
    ],
)
def test_bands_that_cannot_be_had_are_named(names, way, sentence):
    with pytest.raises(ValueError, match=sentence):
        EXTRACT(only(numbers(), names), bands=names, missing_bands=way)


def test_a_checkpoint_trained_with_bands_dropped_reads_zero_in_place_of_a_missing_one(tmp_path):
    TimeSenCLIPFeatureExtractor(band_dropout=0.2).save_pretrained(tmp_path)
    extract = TimeSenCLIPFeatureExtractor.from_pretrained(tmp_path)
    names = [*SIX, "B08"]
    features = extract(only(numbers(), names), bands=names, missing_bands="mask")
    assert features["series_mask"].all()
    assert not features["pixel_series"][:, :, 3:6].any()
    others = [0, 1, 2, 6, 7, 8, 9]
    np.testing.assert_array_equal(
        features["pixel_series"][:, :, others], EXTRACT(numbers())["pixel_series"][:, :, others]
    )
    with pytest.raises(ValueError, match="more than half of the bands"):
        extract(only(numbers(), ["B02", "B03"]), bands=["B02", "B03"], missing_bands="mask")


def test_the_estimate_explains_what_simulated_points_vary_by():
    dn = simulate(200, seed=5).series.reshape(1, -1, 10).astype(np.float32) * 10_000
    dn[:, :, 7] = np.where(np.isnan(dn[:, :, 7]), dn[:, :, 6], dn[:, :, 7])
    dn = dn[:, ~np.isnan(dn).any(axis=2)[0]]
    without = dn.copy()
    without[:, :, 3:6] = np.nan
    estimate_bands(without, BANDS)
    residual = ((without - dn)[0, :, 3:6].astype(np.float64)) ** 2
    explained = 1 - residual.sum(axis=0) / dn[0, :, 3:6].astype(np.float64).var(axis=0) / len(residual)
    assert (explained > 0.9).all(), explained
