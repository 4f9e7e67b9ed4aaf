from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from datasets import load_dataset

from tests.support.hostile_files.damaged import damage_heap, damage_root
from tests.support.sen4map_files import FIRST_ID, divide_bands, write_derived, write_raw
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.schema import MISSING, as_series
from timesenclip_hf.data.sources import sen4map_points
from timesenclip_hf.data.sources.countries import BOXES
from timesenclip_hf.data.sources.sen4map import import_sen4map
from timesenclip_hf.gate import PLAIN, watching

POINT = f"Lucas_Point_{FIRST_ID}"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw(tmp_path_factory.mktemp("raw") / "raw.h5", 6, size=8)


@pytest.fixture
def copy(raw, tmp_path):
    path = tmp_path / "copy.h5"
    path.write_bytes(raw.read_bytes())
    return path


def import_quietly(sources, output, **options):
    return import_sen4map(sources, output, **{"workers": 1, "progress": False, **options})


def load(output: Path, tmp_path: Path):
    return load_dataset(str(output), split="train", cache_dir=str(tmp_path / "cache"))


def read_entry(path: Path, row: int, column: int):
    """A point as the feature extractor takes it: one pixel with its dates and scene classes."""
    with h5py.File(path) as file:
        entry = file[POINT]
        bands = [name for name in entry if name != "SCL"]
        return {
            "series": np.stack([entry[band][:, row, column] for band in bands], axis=1),
            "bands": bands,
            "scl": entry["SCL"][:, row, column],
            "dates": [name[:8] for name in entry.attrs["Image_ID"].astype(str)],
        }


def test_composites_are_those_of_the_feature_extractor(raw, tmp_path):
    import_quietly(raw, tmp_path / "out")
    row = load(tmp_path / "out", tmp_path)[0]
    expected = TimeSenCLIPFeatureExtractor()(read_entry(raw, 4, 4))
    given = TimeSenCLIPFeatureExtractor()({"series": row["series"], "months": row["months"]})
    np.testing.assert_array_equal(row["observed"], expected["series_mask"][0])
    np.testing.assert_array_equal(given["series_mask"], expected["series_mask"])
    # Medians between two integers are rounded.
    np.testing.assert_allclose(given["pixel_series"], expected["pixel_series"], atol=0.5 / 2_000)


def test_reflectance_of_0_to_1_gives_the_rows_of_the_digital_numbers(raw, copy, tmp_path):
    divide_bands(copy, 10_000)
    numbers = import_quietly(raw, tmp_path / "numbers")
    assert import_quietly(copy, tmp_path / "reflectance").content_hash == numbers.content_hash


def test_both_raw_layouts_and_any_number_of_processes_give_the_same_rows(tmp_path):
    hashes = set()
    for compound, workers in ((False, 1), (True, 1), (True, 2)):
        path = write_raw(tmp_path / f"{compound}.h5", 5, compound=compound, size=8)
        output = tmp_path / f"{compound}{workers}"
        hashes.add(import_quietly(path, output, workers=workers, points_per_part=2).content_hash)
    assert len(hashes) == 1


def test_fields_with_shapes_of_their_own_are_read_too(raw, tmp_path):
    with h5py.File(raw) as file, h5py.File(tmp_path / "fields.h5", "w") as other:
        for name, entry in file.items():
            layers = {band: entry[band][:] for band in entry}
            dtype = np.dtype([(band, layer.dtype, layer.shape) for band, layer in layers.items()])
            table = np.empty((), dtype=dtype)
            for band, layer in layers.items():
                table[band] = layer
            other.create_dataset(name, data=table).attrs.update(entry.attrs)
    reports = [import_quietly(path, tmp_path / path.stem) for path in (raw, tmp_path / "fields.h5")]
    assert reports[0].content_hash == reports[1].content_hash


def test_derived_files_come_with_habitat_and_bioregion(tmp_path):
    path = write_derived(tmp_path / "derived.h5", 8)
    report = import_quietly(path, tmp_path / "out")
    dataset = load(tmp_path / "out", tmp_path)
    assert report.rows == len(dataset) == 8
    with h5py.File(path) as file:
        entry = file[POINT]
        image = entry["image"][:, :, 0, 0]
        series = as_series(dataset.with_format("arrow")[:])[0]
        seen = (image > 1).any(axis=1)
        np.testing.assert_array_equal(series[seen], image[seen])
        assert dataset[0]["habitat"] == entry.attrs["EUNIS_L2"]
        assert dataset[0]["bioregion"] == entry.attrs["bioregion_class_code"]
    assert dataset[0]["point_id"] == str(FIRST_ID)
    assert dataset[0]["year"] == 2018


def test_in_derived_files_a_month_of_ones_is_missing(tmp_path):
    path = write_derived(tmp_path / "derived.h5", 1)
    with h5py.File(path, "a") as file:
        file[POINT]["image"][3] = 1
    import_quietly(path, tmp_path / "out")
    row = load(tmp_path / "out", tmp_path)[0]
    assert not row["observed"][3]
    assert row["series"][30:40] == [MISSING] * 10


def test_acquisitions_are_kept_with_their_dates_and_those_under_cloud_marked(raw, tmp_path):
    import_quietly(raw, tmp_path / "out", composite="none")
    row = load(tmp_path / "out", tmp_path)[0]
    entry = read_entry(raw, 4, 4)
    series = np.asarray(row["series"]).reshape(-1, 10)
    clear = np.asarray(row["observed"])
    assert [date.replace("-", "") for date in row["dates"]] == entry["dates"]
    np.testing.assert_array_equal(clear, entry["scl"] == 4)
    order = [entry["bands"].index(band) for band in ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")]
    np.testing.assert_array_equal(series[clear], entry["series"][clear][:, order])
    assert (series[~clear] == MISSING).all()


def test_a_crop_holds_the_middle_pixels(raw, tmp_path):
    for crop in (1, 3, 8):
        import_quietly(raw, tmp_path / str(crop), crop=crop)
    one, three, whole = (
        as_series(load(tmp_path / str(crop), tmp_path / str(crop)).with_format("arrow")[:], crop=crop)
        for crop in (1, 3, 8)
    )
    np.testing.assert_array_equal(three, whole[..., 3:6, 3:6])
    np.testing.assert_array_equal(one, three[..., 1, 1])


def test_upstreams_recipe_is_a_named_option(raw, tmp_path):
    import_quietly(raw, tmp_path / "out", composite="timesenclip")
    row = load(tmp_path / "out", tmp_path)[0]
    extract = TimeSenCLIPFeatureExtractor(composite="timesenclip", masked_scl=range(9, 12))
    features = extract(read_entry(raw, 4, 4))
    np.testing.assert_allclose(
        extract({"series": row["series"], "months": row["months"]})["pixel_series"],
        features["pixel_series"],
        atol=0.5 / 2_000,
    )


def _without_scenes(file):
    del file[POINT]["SCL"]


def _without_a_band(file):
    del file[POINT]["B8A"]


def _without_dates(file):
    del file[POINT].attrs["Image_ID"]


def _too_few_dates(file):
    file[POINT].attrs["Image_ID"] = ["20180101T105031"]


def _dates_of_no_calendar(file):
    names = file[POINT].attrs["Image_ID"].astype(object)
    file[POINT].attrs["Image_ID"] = ["20181399T1", *names[1:]]


def _all_of_another_year(file):
    names = file[POINT].attrs["Image_ID"]
    file[POINT].attrs["Image_ID"] = [name.replace("2018", "2017") for name in names]


def _all_cloud(file):
    file[POINT]["SCL"][...] = 9


def _short_band(file):
    del file[POINT]["B2"]
    file[POINT]["B2"] = np.zeros((2, 8, 8), dtype=np.uint16)


def _flat_band(file):
    del file[POINT]["B2"]
    file[POINT]["B2"] = np.zeros(5, dtype=np.uint16)


def _folder(file):
    del file[POINT]["B2"]
    file[POINT].create_group("B2")


def _words(file):
    shape = file[POINT]["B2"].shape
    del file[POINT]["B2"]
    file[POINT]["B2"] = np.full(shape, b"x")


def _decibels(file):
    for index, name in enumerate(name for name in list(file[POINT]) if name != "SCL"):
        shape = file[POINT][name].shape
        del file[POINT][name]
        file[POINT][name] = np.full(shape, -18.5 + index, dtype=np.float32)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_scenes, "no scene classification"),
        (_without_a_band, "band missing"),
        (_without_dates, "no dates"),
        (_too_few_dates, "dates and acquisitions differ in number"),
        (_dates_of_no_calendar, "no dates"),
        (_all_of_another_year, "date outside the year"),
        (_all_cloud, "no clear observation"),
        (_short_band, "bands differ in shape"),
        (_flat_band, "wrong shape"),
        (_folder, "wrong shape"),
        (_words, "unreadable point"),
        (_decibels, "no reflectance"),
    ],
)
def test_a_point_that_cannot_be_used_is_left_out_counted_and_listed(copy, tmp_path, spoil, reason):
    with h5py.File(copy, "a") as file:
        spoil(file)
    report = import_quietly(copy, tmp_path / "out")
    assert (report.points, report.rows, report.counts) == (6, 5, {reason: 1})
    assert [(one.point_id, one.source) for one in report.skipped] == [(str(FIRST_ID), "copy.h5")]


def test_an_acquisition_of_another_year_is_left_out_and_counted_and_the_point_kept(copy, tmp_path):
    with h5py.File(copy, "a") as file:
        names = file[POINT].attrs["Image_ID"]
        file[POINT].attrs["Image_ID"] = [names[0].replace("2018", "2017"), *names[1:]]
    report = import_quietly(copy, tmp_path / "out", composite="none")
    assert report.rows == 6
    assert report.counts == {"date outside the year": 1}
    assert len(load(tmp_path / "out", tmp_path)[0]["dates"]) == len(names) - 1


def test_unknown_codes_are_counted_and_the_point_kept_without_its_class(copy, tmp_path):
    with h5py.File(copy, "a") as file:
        file[POINT].attrs["lc1"] = "Z99"
        file[POINT].attrs["EUNIS_L2"] = 44
    report = import_quietly(copy, tmp_path / "out")
    row = load(tmp_path / "out", tmp_path)[0]
    assert report.counts == {"unknown class code": 2}
    assert {problem.detail for problem in report.problems} == {"lc1=Z99", "EUNIS_L2=44"}
    assert (row["lc1"], row["land_cover"], row["habitat"]) == ("Z99", -1, -1)


@pytest.mark.parametrize("form", [np.array, str, lambda pair: f"{pair[0]}, {pair[1]}".encode()])
def test_swapped_coordinates_are_found_by_the_country_and_mended(copy, tmp_path, form):
    west, south, east, north = BOXES["AT"]
    with h5py.File(copy, "a") as file:
        assert file[POINT].attrs["nuts0"] == "AT"
        file[POINT].attrs["Coordinates"] = form([(south + north) / 2, (west + east) / 2])
    report = import_quietly(copy, tmp_path / "out")
    row = load(tmp_path / "out", tmp_path)[0]
    assert report.counts == {"coordinates swapped": 1}
    assert (row["longitude"], row["latitude"]) == pytest.approx(((west + east) / 2, (south + north) / 2))


def test_of_two_entries_of_one_point_the_first_is_kept(raw, tmp_path):
    again = write_raw(tmp_path / "again.h5", 2, size=8, first=5, seed=1)
    report = import_quietly([raw, again], tmp_path / "out", workers=2, points_per_part=2)
    assert (report.points, report.rows, report.counts) == (8, 7, {"duplicate point id": 1})
    assert report.skipped[0].source == "again.h5"


def test_a_truncated_file_is_a_one_line_error_alone_and_counted_beside_others(raw, tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(raw.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"broken.h5 is damaged, HDF5 cannot read it \(.*truncated.*\): fetch"):
        import_quietly(broken, tmp_path / "none")
    report = import_quietly([broken, raw], tmp_path / "out")
    assert report.rows == 6
    assert report.counts == {"unusable file": 1}
    assert report.problems[0].source == "broken.h5"


def test_what_is_no_hdf5_is_a_one_line_error(tmp_path):
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(ValueError, match=r"text.h5 is no HDF5 file but text"):
        import_quietly(tmp_path / "text.h5", tmp_path / "out")


def test_points_in_which_hdf5_comes_to_no_end_are_left_out(copy, tmp_path, monkeypatch):
    monkeypatch.setattr(sen4map_points, "PLAIN", replace(PLAIN, seconds=0.2))
    monkeypatch.setattr(watching, "MOST_ENDLESS", 6)
    report = import_quietly(damage_heap(copy), tmp_path / "out")
    assert report.counts.keys() == {"unreadable point"}
    assert 0 < len(report.skipped) == report.points - report.rows < report.points
    assert "comes to no end in it: fetch it again" in report.skipped[0].detail


def test_a_file_in_which_hdf5_comes_to_no_end_twice_is_given_up(copy, tmp_path, monkeypatch):
    monkeypatch.setattr(sen4map_points, "PLAIN", replace(PLAIN, seconds=0.2))
    healthy = write_raw(tmp_path / "healthy.h5", 2, size=8, first=6)
    report = import_quietly([damage_heap(copy), healthy], tmp_path / "out", points_per_part=2)
    assert (report.rows, report.counts) == (2, {"unreadable point": 6})
    details = [problem.detail for problem in report.skipped]
    assert details[2:] == ["copy.h5 is damaged, HDF5 came to no end 2 times, the rest is left out: fetch it again"] * 4


def test_a_file_whose_root_is_damaged_is_a_one_line_error(copy, tmp_path):
    with pytest.raises(ValueError, match=r"copy.h5 is damaged, HDF5 cannot read it \(.*cache type\)\): fetch it again"):
        import_quietly(damage_root(copy), tmp_path / "out")


def test_points_whose_values_are_in_another_file_are_left_out(copy, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(100_000))
    with h5py.File(copy, "r+") as file:
        shape = file[POINT]["B2"].shape
        del file[POINT]["B2"]
        file[POINT].create_dataset("B2", shape, "<u2", external=[(str(secret), 0, 2 * int(np.prod(shape)))])
    report = import_quietly(copy, tmp_path / "out")
    assert report.counts == {"unreadable point": 1}
    assert "keeps its values in another file" in report.skipped[0].detail


def test_a_damaged_chunk_loses_its_point_only(tmp_path):
    path = write_raw(tmp_path / "raw.h5", 3, size=16, compression="gzip")
    with h5py.File(path) as file:
        chunk = file[POINT]["B2"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(content)
    report = import_quietly(path, tmp_path / "out")
    assert (report.rows, report.counts) == (2, {"unreadable point": 1})


def test_a_folder_of_files_is_read_in_the_order_of_their_names(raw, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in (2, 1):
        write_raw(folder / f"{number}.h5", 2, size=4, first=10 * number)
    import_quietly(folder, tmp_path / "out")
    ids = load(tmp_path / "out", tmp_path)["point_id"]
    assert list(ids) == [str(FIRST_ID + place) for place in (10, 11, 20, 21)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"composite": "mean"}, ValueError, "`composite` must be one of median, timesenclip, none"),
        ({"crop": 0}, ValueError, "`crop` and `points_per_part` must be at least 1"),
        ({"sources": "nowhere.h5"}, FileNotFoundError, "No such file: nowhere.h5"),
        ({"sources": []}, ValueError, "There is no source"),
        ({"crop": 9}, ValueError, r"patch smaller than the crop \(8 x 8\)"),
    ],
)
def test_what_cannot_be_imported_is_named(raw, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        import_quietly(**{"sources": raw, "output": tmp_path / "out", **options})


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no file that ends in \.h5"):
        import_quietly(tmp_path, tmp_path / "out")


def test_acquisitions_are_not_made_up_for_derived_files(tmp_path):
    path = write_derived(tmp_path / "derived.h5", 2)
    with pytest.raises(ValueError, match=r"composited already \(its acquisitions are not in the file\)"):
        import_quietly(path, tmp_path / "out", composite="none")
