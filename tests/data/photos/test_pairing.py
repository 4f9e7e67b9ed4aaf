import multiprocessing
import time

import numpy as np
import pytest
from datasets import Dataset, Image, load_dataset

from tests.support.photo_server import draw_photo, serve_photos
from tests.support.sen4map_files import write_raw
from timesenclip_hf.data.engine.content import content_hash
from timesenclip_hf.data.photos import pairing
from timesenclip_hf.data.photos.pairing import PhotoOptions, pair_lucas
from timesenclip_hf.data.schema import UNKNOWN, as_series, build_features, classes_of_codes, month_places
from timesenclip_hf.data.sources.lucas import LICENCE, Survey, SurveyPoint, photo_path, read_survey
from timesenclip_hf.data.sources.sen4map import import_sen4map
from timesenclip_hf.data.splits import random_split, split_rows

IDS = ["38023110", "38023114", "38023116"]


def survey_of(*points):
    return Survey({(point.point_id, point.year): point for point in points}, [])


def survey_point(point_id=IDS[0], year=2018, country="BE", lc1="B13", not_taken=""):
    return SurveyPoint(point_id, year, country, 2.6, 50.9, lc1, "U111", not_taken)


def series_of(ids, year=2018, **columns):
    count = len(ids)
    values = np.random.default_rng(0).integers(0, 4_000, (count, 120), dtype=np.int16)
    rows = {
        "point_id": list(ids),
        "year": [year] * count,
        "longitude": [float("nan")] * count,
        "latitude": [float("nan")] * count,
        "country": ["BE"] * count,
        "series": values,
        "observed": [[True] * 12] * count,
        "months": [list(month_places())] * count,
        "lc1": [""] * count,
        "lu1": [""] * count,
        **{name: [UNKNOWN] * count for name in ("land_cover", "land_use", "crop", "habitat", "bioregion")},
        **columns,
    }
    return Dataset.from_dict(rows, features=build_features(photos=False)), values.reshape(count, 12, 10)


def put_photos(folder, point_id, directions="NESW", year=2018, content=None):
    for number, direction in enumerate(directions):
        file = folder / photo_path(point_id, year, "BE", direction)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw_photo(number) if content is None else content)


def pair(output, *, series=None, survey=None, workers=1, **photos):
    report = pair_lucas(
        output, series=series, survey=survey, photos=PhotoOptions(**photos), workers=workers, progress=False
    )
    return load_dataset(str(output), split="train", cache_dir=str(output) + ".cache"), report


def test_without_a_folder_photos_are_references_with_address_and_licence(tmp_path):
    series, values = series_of(IDS)
    dataset, report = pair(tmp_path / "out", series=series)
    assert report.counts == {}
    np.testing.assert_array_equal(as_series(dataset.with_format("arrow")[:]), values)
    photos = dataset[1]["photos"]
    assert [photo["direction"] for photo in photos] == ["N", "E", "S", "W"]
    assert photos[0]["url"].endswith("/2018/BE/380/231/38023114N.jpg")
    assert {photo["licence"] for photo in photos} == {LICENCE}
    assert [photo["image"] for photo in photos] == [None] * 4


def test_points_go_by_id_and_year_and_take_from_the_survey_what_they_lack(tmp_path):
    series, _ = series_of(IDS[:2], country=["", "BE"], lc1=["", "B16"])
    other_year = survey_point(year=2015, lc1="C10")
    survey = survey_of(other_year, survey_point(lc1="B13"), survey_point(IDS[1], lc1="B13"))
    dataset, report = pair(tmp_path / "out", series=series, survey=survey)
    first, second = dataset
    assert (first["country"], first["longitude"], first["lc1"], first["lu1"]) == ("BE", 2.6, "B13", "U111")
    assert first["crop"] == classes_of_codes("B13", "U111")["crop"]
    assert second["lc1"] == "B16"
    assert report.counts == {"land cover differs from the survey": 1}


def test_photos_on_disk_are_paths_or_bytes_that_decode(tmp_path):
    put_photos(tmp_path / "photos", IDS[0])
    series, _ = series_of(IDS[:1])
    paths, _ = pair(tmp_path / "paths", series=series, folder=tmp_path / "photos")
    held, _ = pair(tmp_path / "bytes", series=series, folder=tmp_path / "photos", embed_bytes=True)
    by_path, by_bytes = paths[0]["photos"][2]["image"], held[0]["photos"][2]["image"]
    assert by_path["bytes"] is None
    assert by_bytes == {"bytes": draw_photo(2), "path": "38023110S.jpg"}
    decoded = [Image().decode_example(image) for image in (by_path, by_bytes)]
    assert decoded[0].size == decoded[1].size == (96, 96)


def test_bad_and_missing_photos_are_counted_and_named_and_stay_references(tmp_path):
    folder = tmp_path / "photos"
    put_photos(folder, IDS[0], "NE")
    put_photos(folder, IDS[0], "S", content=b"")
    put_photos(folder, IDS[0], "W", content=draw_photo()[:700])
    put_photos(folder, IDS[1], "N")
    series, _ = series_of([*IDS, "no LUCAS id"])
    dataset, report = pair(tmp_path / "out", series=series, folder=folder)
    assert report.counts == {
        "no survey photos of this year and country": 1,
        "photo of zero bytes": 1,
        "photo unreadable": 1,
        "point with some photos only": 1,
        "point without photos": 2,
    }
    assert [photo["image"] is None for photo in dataset[0]["photos"]] == [False, False, True, True]
    assert all(photo["url"] for photo in dataset[0]["photos"])
    named = {problem.reason: (problem.point_id, problem.detail) for problem in report.problems}
    assert named["photo of zero bytes"] == (IDS[0], "38023110S.jpg")
    assert named["point with some photos only"] == (IDS[1], "not in the folder: E, S, W")
    assert report.rows == 4


def test_points_without_photos_can_be_left_out(tmp_path):
    put_photos(tmp_path / "photos", IDS[1])
    series, _ = series_of(IDS)
    dataset, report = pair(tmp_path / "out", series=series, folder=tmp_path / "photos", require_photos=True)
    assert dataset["point_id"][:] == [IDS[1]]
    assert [problem.point_id for problem in report.skipped] == [IDS[0], IDS[2]]


def test_photos_that_were_not_taken_and_points_unknown_to_the_survey_are_told_apart(tmp_path):
    series, _ = series_of(IDS[:2])
    dataset, report = pair(tmp_path / "out", series=series, survey=survey_of(survey_point(not_taken="NW")))
    assert [photo["direction"] for photo in dataset[0]["photos"]] == ["E", "S"]
    assert report.counts == {"point not in the survey": 1}


def test_a_download_fills_the_folder_first(tmp_path):
    with serve_photos() as server:
        for direction in "NES":
            server.add(photo_path(IDS[0], 2018, "BE", direction))
        series, _ = series_of(IDS[:1])
        options = {"series": series, "folder": tmp_path / "photos", "download": True, "base_url": server.url}
        dataset, report = pair(tmp_path / "out", **options)
    assert [photo["image"] is None for photo in dataset[0]["photos"]] == [False, False, False, True]
    assert report.counts == {"photo not downloaded": 1, "point with some photos only": 1}


def test_nothing_is_downloaded_unless_asked_for(tmp_path):
    with serve_photos() as server:
        (tmp_path / "photos").mkdir()
        series, _ = series_of(IDS[:1])
        pair(tmp_path / "out", series=series, folder=tmp_path / "photos", base_url=server.url)
        assert server.num_requests == 0


def test_two_processes_write_the_rows_of_one(tmp_path):
    ids = [f"{number}" for number in range(38_023_000, 38_023_000 + 1_100)]
    series, _ = series_of(ids)
    reports = [pair(tmp_path / str(workers), series=series, workers=workers)[1] for workers in (1, 2)]
    assert reports[0].rows == 1_100
    assert reports[0].content_hash == reports[1].content_hash


def pair_in_a_process(output, photos, survey):
    fault = pairing.photo_fault
    pairing.photo_fault = lambda photo: time.sleep(0.05) or fault(photo)
    options = PhotoOptions(photos, "N", embed_bytes=True)
    pair_lucas(output, survey=survey, photos=options, workers=1, progress=False)


def test_a_killed_pairing_goes_on_and_gives_the_same_rows(tmp_path):
    survey = survey_of(*(survey_point(str(38_023_000 + number)) for number in range(60)))
    for point_id, _ in survey.points:
        put_photos(tmp_path / "photos", point_id, "N")
    killed = multiprocessing.get_context("fork").Process(
        target=pair_in_a_process, args=(tmp_path / "out", tmp_path / "photos", survey)
    )
    killed.start()
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob(".import/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.kill()
    killed.join()
    assert not (tmp_path / "out" / "data").exists()
    options = {"survey": survey, "folder": tmp_path / "photos", "embed_bytes": True, "directions": "N"}
    hashes = [
        content_hash(pair(tmp_path / output, **options)[0].with_format("arrow").iter(7)) for output in ("out", "whole")
    ]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give series, a survey, or both"),
        ({"series": Dataset.from_dict({"id": [1]})}, "need the columns point_id and year, got id"),
        ({"survey": survey_of(survey_point()), "directions": "NX"}, "some of N, E, S, W, P, C, got .'N', 'X'"),
        ({"survey": survey_of(survey_point()), "directions": ""}, "some of N, E"),
        ({"survey": survey_of(survey_point()), "download": True}, "Give the folder of photos"),
    ],
)
def test_what_cannot_be_paired_is_refused_in_one_line(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        pair(tmp_path / "out", **options)


def test_a_missing_folder_of_photos_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such folder of photos: .*absent"):
        pair(tmp_path / "out", survey=survey_of(survey_point()), folder=tmp_path / "absent")


@pytest.mark.parametrize("options", [{}, {"composite": "none"}, {"crop": 3}])
def test_what_the_sen4map_importer_wrote_is_paired_with_its_series_untouched(tmp_path, options):
    write_raw(tmp_path / "raw.h5", 3, size=8)
    import_sen4map(tmp_path / "raw.h5", tmp_path / "series", workers=1, progress=False, **options)
    series = load_dataset(str(tmp_path / "series"), split="train", cache_dir=str(tmp_path / "cache"))
    dataset, report = pair(tmp_path / "out", series=series)
    assert report.counts == {}
    assert dataset.remove_columns("photos").to_list() == series.to_list()
    for row in dataset:
        assert row["photos"][3]["url"].endswith(f"/2018/{row['country']}/260/000/{row['point_id']}W.jpg")


@pytest.mark.real_data
def test_the_five_complete_real_points_pair_with_their_four_photos(real_data, tmp_path):
    folder = real_data / "lucas_photos_32"
    survey = read_survey(folder / "metadata_subset.csv")
    options = {"survey": survey, "folder": folder, "embed_bytes": True}
    dataset, report = pair(tmp_path / "out", **options)
    complete = dataset.filter(lambda row: all(photo["image"] for photo in row["photos"]))
    assert sorted(complete["point_id"]) == ["31603628", "32362878", "38023110", "38023114", "38023116"]
    for row in complete:
        assert [photo["direction"] for photo in row["photos"]] == ["N", "E", "S", "W"]
        for photo in row["photos"]:
            name = photo_path(row["point_id"], row["year"], row["country"], photo["direction"])
            assert photo["image"]["bytes"] == (folder / name).read_bytes()
            assert photo["url"].endswith(name)
    assert report.counts == {"point without photos": 2}
    streamed = load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert [row["point_id"] for row in streamed] == dataset["point_id"][:]
    rows = split_rows(random_split(dataset["point_id"][:], {"train": 0.7, "test": 0.3}), dataset["point_id"][:])
    assert len(dataset.select(rows["train"])) == 5


@pytest.mark.real_data
def test_all_32_real_photos_can_be_read(real_data, tmp_path):
    folder = real_data / "lucas_photos_32"
    options = {"survey": read_survey(folder / "metadata_subset.csv"), "folder": folder, "directions": "NESWPC"}
    dataset, report = pair(tmp_path / "out", **options)
    assert sum(photo["image"] is not None for row in dataset for photo in row["photos"]) == 32
    assert report.counts == {"point with some photos only": 2}
