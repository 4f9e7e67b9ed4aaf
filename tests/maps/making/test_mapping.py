import logging
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps import MapOptions, map_cube, map_label_sets, open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.runtimes.options import ComputeOptions

LABELS = ["maize", "broad-leaved woodland", "water"]


def test_a_map_says_what_the_pipeline_says_pixel_by_pixel(tiny_pipeline):
    cube = small_cube()
    mapped = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    series = np.stack([cube[band].values for band in BANDS], axis=1).transpose(2, 3, 0, 1)
    for row, column in np.ndindex(6, 5):
        answers = tiny_pipeline(series[row, column], candidate_labels=LABELS, dates=MONTHS)
        scores = np.array([answer["score"] for answer in answers])
        here = mapped.isel(y=row, x=column)
        assert LABELS[int(here["class"]) - 1] == answers[0]["label"]
        assert float(here["probability"]) == pytest.approx(scores[0], abs=1e-5)
        assert float(here["margin"]) == pytest.approx(scores[0] - scores[1], abs=1e-5)
        assert float(here["entropy"]) == pytest.approx(-(scores * np.log(scores)).sum() / np.log(3), abs=1e-5)
    assert mapped["class"].dtype == np.uint8
    assert (mapped["clear_months"] == 12).all()
    assert mapped.attrs["labels"] == LABELS
    assert mapped.rio.crs == "EPSG:32631"


@pytest.mark.parametrize("chunk_size", [1, 7, 29, 1000])
def test_a_map_does_not_depend_on_the_chunks(tiny_pipeline, chunk_size):
    times = np.array(
        [f"{year}-{month:02d}-07" for year in (2017, 2018) for month in (1, 4, 6, 9)], dtype="datetime64[ns]"
    )
    cube = small_cube(times=times)
    cube["SCL"] = (("time", "y", "x"), np.random.default_rng(3).choice([4, 5, 8], (8, 6, 5)).astype(np.uint8))
    whole = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    mapped = map_cube(cube, LABELS, tiny_pipeline, progress=False, compute=ComputeOptions(chunk_size=chunk_size))
    near = whole["margin"] < 1e-5
    assert (mapped["class"] == whole["class"]).where(~near, True).all()
    for name in ("probability", "entropy", "margin"):
        np.testing.assert_allclose(mapped[name], whole[name], atol=1e-5)
    np.testing.assert_array_equal(mapped["clear_months"], whole["clear_months"])
    assert mapped.attrs == whole.attrs


def test_the_order_of_the_bands_changes_nothing(tiny_pipeline):
    cube = small_cube()
    permuted = cube[[*np.random.default_rng(0).permutation(BANDS), "spatial_ref"]]
    np.testing.assert_array_equal(
        map_cube(permuted, LABELS, tiny_pipeline, progress=False)["probability"],
        map_cube(cube, LABELS, tiny_pipeline, progress=False)["probability"],
    )


def test_integers_without_the_narrow_infrared_are_digital_numbers_without_a_warning(tiny_pipeline, caplog):
    cube = small_cube().drop_vars("B8A")
    with caplog.at_level(logging.WARNING):
        logging.getLogger("transformers").propagate = True
        mapped = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    assert "Fractional" not in caplog.text
    filled = map_cube(cube.assign(B8A=cube["B08"]), LABELS, tiny_pipeline, progress=False)
    np.testing.assert_array_equal(mapped["probability"], filled["probability"])


def test_pixels_without_a_clear_month_are_no_data_and_counted(tiny_pipeline):
    cube = small_cube()
    classes = np.full((12, 6, 5), 4, dtype=np.uint8)
    classes[:, 1, 2] = 9
    classes[:7, 0, 0] = 3
    cube["SCL"] = (("time", "y", "x"), classes)
    cube["B02"][:, 4, 4] = 65535
    mapped = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    empty = mapped["class"].values == 0
    assert sorted(zip(*(axis.tolist() for axis in empty.nonzero()), strict=True)) == [(1, 2), (4, 4)]
    assert mapped.attrs["pixels_without_data"] == 2
    assert np.isnan(mapped["probability"].values[empty]).all()
    assert mapped["clear_months"].values[0, 0] == 5
    assert mapped["clear_months"].values[1, 2] == 0


def test_a_cube_of_clouds_alone_is_all_no_data(tiny_pipeline):
    cube = small_cube().assign(SCL=(("time", "y", "x"), np.full((12, 6, 5), 9, dtype=np.uint8)))
    mapped = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    assert mapped.attrs["pixels_without_data"] == 30


def test_a_season_is_mapped_as_the_calendar_year_of_the_same_months(tiny_pipeline):
    times = (np.datetime64("2019-07") + np.arange(12)).astype("datetime64[D]").astype("datetime64[ns]")
    cube = small_cube(times=times)
    season = map_cube(cube, LABELS, tiny_pipeline, reading=SeriesOptions(season="2019-07"), progress=False)
    assert (season.attrs["season"], season.attrs["year"]) == ("2019-07", 2020)
    calendar = cube.isel(time=np.r_[6:12, 0:6]).assign_coords(time=MONTHS)
    control = map_cube(calendar, LABELS, tiny_pipeline, progress=False)
    for name in ("class", "probability", "entropy", "margin", "clear_months"):
        np.testing.assert_array_equal(season[name], control[name])
    assert map_cube(cube, LABELS, tiny_pipeline, progress=False).attrs == season.attrs  # by itself, too


def test_pixels_with_fewer_clear_months_than_the_minimum_have_no_class_but_their_months(tiny_pipeline):
    cube = small_cube()
    for band in BANDS:
        cube[band][2:, 0] = 0
    reading = SeriesOptions(minimum_months=3)
    mapped = map_cube(cube, LABELS, tiny_pipeline, reading=reading, progress=False)
    assert (mapped["class"][0] == 0).all()
    assert (mapped["class"][1:] > 0).all()
    assert (mapped["clear_months"][0] == 2).all()
    assert (mapped.attrs["pixels_without_data"], mapped.attrs["minimum_months"]) == (5, 3)


def test_a_map_of_six_bands_says_which_were_estimated(tiny_pipeline):
    cube = small_cube(bands=["B02", "B03", "B04", "B8A", "B11", "B12"])
    with pytest.raises(
        ValueError, match='lacks B05, B06, B07: add what is missing, or pass `missing_bands="estimate"`'
    ):
        map_cube(cube, LABELS, tiny_pipeline, progress=False)
    reading = SeriesOptions(missing_bands="estimate")
    mapped = map_cube(cube, LABELS, tiny_pipeline, reading=reading, progress=False)
    assert mapped.attrs["estimated_bands"] == ["B05", "B06", "B07"]
    assert (mapped["class"] > 0).all()


def test_a_date_whose_offset_contradicts_its_values_is_mapped_by_its_values(tiny_pipeline, caplog):
    """As items that say "not shifted" though they are."""
    rng = np.random.default_rng(0)
    meadow = np.array([400, 600, 500, 900, 1800, 2200, 2400, 2600, 1900, 1100])
    cube = small_cube()
    for band, level in zip(BANDS, meadow, strict=True):
        cube[band][:] = np.rint(level * rng.normal(1, 0.03, cube[band].shape)) + 1000
    opened = open_cube(cube)
    right = opened.assign_coords(offset=("time", np.full(12, 1000.0, np.float32)))
    flags = np.where(np.arange(12) == 4, 0.0, 1000.0).astype(np.float32)
    control = map_cube(right, LABELS, tiny_pipeline, progress=False)
    with caplog.at_level(logging.WARNING):
        mapped = map_cube(opened.assign_coords(offset=("time", flags)), LABELS, tiny_pipeline, progress=False)
    assert "The values of 2018-05-15 lie 1000 above those before and after" in caplog.text
    for name in ("class", "probability", "clear_months"):
        np.testing.assert_array_equal(mapped[name], control[name])


def test_the_unit_may_be_told_where_the_values_leave_it_open(tiny_pipeline):
    cube = small_cube()
    percent = cube.copy()
    for band in BANDS:
        percent[band] = (cube[band] / 100).astype(np.float32)
    with pytest.raises(ValueError, match="seem to be per cent"):
        map_cube(percent, LABELS, tiny_pipeline, progress=False)
    told = map_cube(percent, LABELS, tiny_pipeline, reading=SeriesOptions(units="percent"), progress=False)
    control = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    np.testing.assert_allclose(told["probability"], control["probability"], atol=1e-5)


def test_the_year_with_the_most_months_is_mapped_and_named(tiny_pipeline, caplog):
    times = np.concatenate([MONTHS[-4:] - np.timedelta64(365, "D"), MONTHS])
    cube = small_cube(times=times)
    with caplog.at_level(logging.WARNING):
        mapped = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    assert mapped.attrs["year"] == 2018
    assert "2018, with the most observed months, is mapped" in caplog.text
    assert (mapped["clear_months"] == 12).all()
    earlier = map_cube(cube, LABELS, tiny_pipeline, reading=SeriesOptions(year=2017), progress=False)
    assert (earlier["clear_months"] == 4).all()
    with pytest.raises(ValueError, match="No acquisition is of 2020"):
        map_cube(cube, LABELS, tiny_pipeline, reading=SeriesOptions(year=2020), progress=False)


def test_reflectance_and_digital_numbers_give_one_map(tiny_pipeline):
    cube = small_cube()
    numbers = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    fractions = map_cube((cube / 10_000).rio.write_crs("EPSG:32631"), LABELS, tiny_pipeline, progress=False)
    floats = map_cube(cube.astype(np.float32), LABELS, tiny_pipeline, progress=False)
    np.testing.assert_allclose(fractions["probability"], numbers["probability"], atol=1e-5)
    np.testing.assert_allclose(floats["probability"], numbers["probability"], atol=1e-5)


@pytest.mark.parametrize("how", ["argument", "baseline", "file"])
def test_the_offset_is_taken_off(tiny_pipeline, how):
    cube = small_cube()
    plain = map_cube(cube, LABELS, tiny_pipeline, progress=False)
    shifted = cube + np.uint16(1000)
    options = {"argument": {"offset": 1000}, "baseline": {"processing_baseline": "05.09"}, "file": {}}[how]
    if how == "file":
        for band in BANDS:
            shifted[band].attrs |= {"scale_factor": 1e-4, "add_offset": -0.1}
    mapped = map_cube(shifted, LABELS, tiny_pipeline, progress=False, reading=SeriesOptions(**options))
    np.testing.assert_allclose(mapped["probability"], plain["probability"], atol=1e-6)


def test_labels_may_have_phrases_and_one_label_is_certain(tiny_pipeline):
    cube = open_cube(small_cube(2, 2))
    mapped = map_cube(cube, {"crop": ["maize", "corn"], "trees": "a wood"}, tiny_pipeline, progress=False)
    assert mapped.attrs["labels"] == ["crop", "trees"]
    assert mapped["class"].attrs["flag_meanings"] == "no_data crop trees"
    alone = map_cube(cube, "maize", tiny_pipeline, progress=False)
    assert (alone["class"] == 1).all()
    np.testing.assert_allclose(alone["probability"], 1)
    np.testing.assert_allclose(alone["entropy"], 0, atol=1e-6)


@pytest.mark.parametrize("chunks", [None, 3])
def test_several_label_sets_in_one_pass_are_the_maps_of_each_alone(tiny_pipeline, chunks):
    cube = open_cube(small_cube(), chunks=chunks)
    sets = {"crops": ["maize", "wheat"], "covers": LABELS}
    maps = map_label_sets(cube, sets, tiny_pipeline, progress=False)
    assert list(maps) == list(sets)
    for name, labels in sets.items():
        alone = map_cube(cube, labels, tiny_pipeline, progress=False)
        assert maps[name].attrs["labels"] == labels
        assert set(maps[name].variables) == set(alone.variables)
        for layer in alone.data_vars:
            np.testing.assert_array_equal(maps[name][layer], alone[layer])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": ""}, "`candidate_labels` is empty"),
        ({"labels": [f"label {index}" for index in range(256)]}, "at most 254 classes, got 256"),
        ({"options": MapOptions(hypothesis_template="a photo")}, "must contain {} once"),
        ({"options": MapOptions(label_sets={"a": LABELS})}, "are several maps: make them with `map_label_sets`"),
        ({"reading": SeriesOptions(nodata=7)}, "`nodata` is what an open cube says by itself"),
        ({"cube": small_cube(bands=BANDS[1:])}, "lacks B02"),
        ({"cube": small_cube().astype(np.float32) / 100}, "per cent"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(tiny_pipeline, options, sentence):
    arguments = {"cube": small_cube(), "labels": LABELS, "model": tiny_pipeline, "progress": False, **options}
    with pytest.raises(ValueError, match=sentence):
        map_cube(**arguments)


@pytest.mark.real_data
def test_real_cubes_map_end_to_end_alike_in_any_chunks(tiny_pipeline, real_data):
    paths = sorted((real_data / "worldcereal_flanders_2018" / "raw_nc").glob("S2_L2A_*.nc"))
    flanders = open_cube(paths)
    maps = [
        map_cube(flanders, LABELS, tiny_pipeline, progress=False, compute=ComputeOptions(chunk_size=size))
        for size in (8192, 1000)
    ]
    assert (maps[0].attrs["year"], maps[0].attrs["season"]) == (2018, "2017-12")  # 2018 itself has no December
    assert maps[0]["clear_months"].min() >= 8
    np.testing.assert_allclose(maps[0]["probability"], maps[1]["probability"], atol=1e-5)
    (path,) = (real_data / "worldcereal_cube_100x100").glob("*preprocessed_inputs.nc")
    mapped = map_cube(path, LABELS, tiny_pipeline, progress=False)
    assert (mapped.attrs["year"], mapped.attrs["season"]) == (2021, "2020-11")
    assert mapped["clear_months"].max() == 10
    assert mapped.attrs["pixels_without_data"] == 0


def test_a_cube_of_dask_arrays_is_mapped_lazily_a_chunk_at_a_time(tiny_pipeline):
    whole = small_cube(320, 320, MONTHS[3:6])
    read: list[tuple[int, ...]] = []

    def counting(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        if block.size:  # dask asks for the type of nothing
            read.append(block_info[0]["chunk-location"])
        return block

    lazy = whole.chunk({"time": 1, "y": 32, "x": 32})
    for band in BANDS:
        lazy[band].data = lazy[band].data.map_blocks(counting, dtype=np.uint16)
    mapped = map_cube(lazy, "maize,water", tiny_pipeline, progress=False)
    assert mapped["class"].chunks == ((32,) * 10,) * 2
    # The sample is of sixteen squares, each in one of the 100 chunks.
    assert len(read) == 16 * 3 * len(BANDS)
    read.clear()
    corner = slice(0, 32)
    piece = mapped.isel(y=corner, x=corner).compute(scheduler="synchronous")
    assert {location[1:] for location in read} == {(0, 0)}
    assert len(read) == 3 * len(BANDS)  # all layers of it from one reading
    at_once = map_cube(whole.isel(y=corner, x=corner), "maize,water", tiny_pipeline, progress=False)
    xr.testing.assert_identical(piece.drop_attrs(), at_once.drop_attrs())
