"""Hold inputs of kinds that are often misread, each with its right outcome; `training.evidence.sources` tries them."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pyproj import Transformer

from tests.support.reference import UpstreamEncoder, random_upstream_encoder, under
from tests.support.sen4map_files import divide_bands, write_raw
from tests.support.small_cubes import small_cube
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.conversion import read_upstream_encoder
from timesenclip_hf.data.inspection import inspect_source
from timesenclip_hf.data.sources.cubes import dataset_from_points
from timesenclip_hf.data.sources.frame_tables import table_from_frame
from timesenclip_hf.data.sources.lucas import read_survey
from timesenclip_hf.data.sources.point_tables import read_labels, read_points
from timesenclip_hf.data.sources.sen4map import import_sen4map
from timesenclip_hf.data.sources.tables import read_table
from timesenclip_hf.maps import map_cube, open_cube
from timesenclip_hf.maps.cubes import parse_codes
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS, read_bands
from timesenclip_hf.models.timesenclip.dates_timesenclip import parse_dates
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import read_labels as read_names
from timesenclip_hf.simulator import simulate
from timesenclip_hf.taxonomies import load_taxonomy
from timesenclip_hf.taxonomies.label_files import read_label_file

IDS = ["047", "p2", "x-3"]
LABELS = ("rapeseed", "maize", "coniferous forest", "water")
MONTHS = pd.to_datetime([f"2018-{month:02d}-15" for month in range(1, 13)])
EXTRACT = TimeSenCLIPFeatureExtractor()
# Largest difference of a probability that counts as the same.
SAME = 1e-6
# A case takes an empty folder and tells whether the outcome is right.
Case = Callable[[Path], bool]


def neighbours() -> Mapping[str, Case]:
    """Return the cases by name."""
    return {
        name: case
        for group in (_tables(), _points(), _labels(), _archives(), _numbers(), _cubes())
        for name, case in group.items()
    }


def _refused(call: Callable[[], Any], *words: str) -> bool:
    """Tell whether a call is refused in one sentence that holds some words."""
    try:
        call()
    except (ValueError, OSError) as error:
        return "\n" not in str(error) and all(word in str(error) for word in words)
    return False


def _write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def _years(count: int = 6) -> np.ndarray:
    """Return complete simulated years, digital numbers (series, 12, 10)."""
    series = simulate(count * 8, seed=5).series
    full = series[~np.isnan(series).any(axis=(1, 2))]
    values: np.ndarray = np.rint(full[:count] * 10_000).astype(np.int32)
    return values


def _long(values: np.ndarray, dates: Any = MONTHS, **columns: Any) -> pd.DataFrame:
    rows = [
        {"id": f"s{index}", "date": date, **dict(zip(BANDS, step, strict=True))}
        for index, series in enumerate(values)
        for date, step in zip(dates, series, strict=True)
    ]
    return pd.DataFrame(rows).assign(**columns)


def _alike(frame: pd.DataFrame, values: np.ndarray, **options: Any) -> bool:
    features = EXTRACT(table_from_frame(frame).series, **options)["pixel_series"]
    return np.array_equal(features, EXTRACT(values)["pixel_series"])


def _tables() -> dict[str, Case]:
    values = _years()
    wide = pd.DataFrame({f"{b}_{m + 1:02d}": values[:, m, i] for m in range(12) for i, b in enumerate(BANDS)})
    numbers = [47862690.0, 38023110.0, *range(4)]
    lake = np.array([40, 25, 5, -10, -25, -30, -35, -40, -20, -15])

    def cloud(folder: Path) -> bool:
        spoilt = _long(values).astype(dict.fromkeys(BANDS, float))
        spoilt.loc[3, list(BANDS)] = 27_500.0
        classifier = PixelClassifier(LABELS)
        expected = classifier.probabilities(values[1:])[0]
        return np.allclose(classifier.probabilities_of_items(table_from_frame(spoilt).series)[1:], expected, atol=SAME)

    def water_first(folder: Path) -> bool:
        classifier, mixed = PixelClassifier(LABELS), [*[np.tile(lake, (12, 1))] * 5, *values]
        forward = classifier.probabilities_of_items(mixed)
        return np.allclose(forward, classifier.probabilities_of_items(mixed[::-1])[::-1], atol=SAME)

    return {
        "ids that Parquet keeps as floats": lambda folder: (
            table_from_frame(wide.assign(id=numbers)).ids[:2] == ["47862690", "38023110"]
        ),
        "ids beyond what floats hold": lambda folder: (
            read_table(_write(folder, "t.csv", wide.assign(id=90071992547409931).head(1).to_csv(index=False))).ids
            == ["90071992547409931"]
        ),
        "days first, as one day above 12 tells": lambda folder: _alike(
            _long(values, MONTHS.strftime("%d/%m/%Y")), values
        ),
        "days or months first": lambda folder: _refused(
            lambda: parse_dates(["05/01/2018", "06/02/2018"]), "05/01/2018"
        ),
        "serial numbers of Excel": lambda folder: _refused(lambda: parse_dates([43115, 43146]), "43115"),
        "epochs in milliseconds": lambda folder: _alike(
            _long(values, (MONTHS.astype("datetime64[ms]").astype("int64"))), values
        ),
        "local midnight in UTC": lambda folder: (
            parse_dates(["2016-12-31T23:00:00Z", "2017-01-31T23:00:00Z"]).astype("datetime64[D]").astype(str).tolist()
            == ["2017-01-01", "2017-02-01"]
        ),
        "one bright cloud in one series": cloud,
        "water first or last": water_first,
    }


def _points() -> dict[str, Case]:
    easting, northing = Transformer.from_crs(4326, 3035, always_xy=True).transform(3.02108, 50.8179)

    def placed(folder: Path) -> bool:
        path = _write(folder, "points.csv", f"id,x,y\n007,{easting},{northing}\n")
        columns = read_points(path, "EPSG:3035").columns
        near = np.allclose([columns["longitude"][0], columns["latitude"][0]], [3.02108, 50.8179], atol=1e-6)
        return near and columns["point_id"] == ["007"]

    def exchanged(folder: Path) -> bool:
        cube = open_cube(small_cube())
        middle = (float(cube["x"].mean()), float(cube["y"].mean()))
        longitude, latitude = Transformer.from_crs(32631, 4326, always_xy=True).transform(*middle)
        return _refused(
            lambda: dataset_from_points(cube, {"longitude": [latitude], "latitude": [longitude]}), "exchanged"
        )

    def ordered(folder: Path) -> bool:
        pd.DataFrame({"POINT_ID": IDS[::-1], "LC1": ["E20", "B16", "B11"]}).to_excel(
            folder / "labels.xlsx", index=False
        )
        return bool(read_labels(folder / "labels.xlsx", IDS).columns["lc1"] == ["B11", "B16", "E20"])

    text = "plot,lc1\nx-3,E20\n047,B11\np2,B16\n"
    return {
        "metres of Europe's grid": placed,
        "metres without a system": lambda folder: _refused(
            lambda: read_points(_write(folder, "p.csv", "id,x,y\nA,501465,5629555\n")), "--points-crs"
        ),
        "longitude and latitude exchanged": exchanged,
        "a point without a place": lambda folder: np.isnan(
            read_points(_write(folder, "p.csv", "id,lon,lat\nA,3,50\nB,NA,50\n")).columns["longitude"][1]
        ),
        "labels of Excel in another order": ordered,
        "labels whose id column only its content tells": lambda folder: (
            read_labels(_write(folder, "l.csv", text), IDS).columns["lc1"] == ["B11", "B16", "E20"]
        ),
        "an id with two labels": lambda folder: _refused(
            lambda: read_labels(_write(folder, "l.csv", text + "p2,B55\n"), IDS), "several rows", "'p2'"
        ),
        "series without a label": lambda folder: _refused(
            lambda: read_labels(_write(folder, "l.csv", "id,lc1\n047,B11\n"), IDS), "'p2'"
        ),
        "labels without ids for series with ids": lambda folder: _refused(
            lambda: read_labels(_write(folder, "l.csv", "lc1\nB11\nB16\nE20\n"), IDS), "'047'"
        ),
        "rows numbered in another order": lambda folder: (
            read_labels(_write(folder, "l.csv", "fid,lc1\n2,E20\n0,B11\n1,B16\n"), ["0", "1", "2"]).columns["lc1"]
            == ["B11", "B16", "E20"]
        ),
    }


def _labels() -> dict[str, Case]:
    long = "fields with hedges and trees and ponds on gentle slopes near villages and roads " * 3
    return {
        "a legend of codes and names": lambda folder: (
            list(read_names({"1": "maize", "60": "lake"})) == ["maize", "lake"]
        ),
        "names with semicolons": lambda folder: _refused(lambda: read_names("maize;lake"), "one class"),
        "a table of labels with phrases": lambda folder: (
            read_label_file(_write(folder, "l.csv", "label;phrase\nmaize;corn\nlake;\n"))
            == {"maize": ["corn"], "lake": ["lake"]}
        ),
        "a variable before several codes": lambda folder: (
            parse_codes("maize=CT:1110,1500") == {"maize": [("CT", 1110), ("CT", 1500)]}
        ),
        "a legend with two codes of one name": lambda folder: (
            parse_codes(str(_write(folder, "legend.json", '{"11": "maize", "12": "maize"}')))
            == {"maize": [(None, 11), (None, 12)]}
        ),
        "a legend as a label set": lambda folder: (
            load_taxonomy(_write(folder, "legend.json", json.dumps({"maize": 1, "lake": 60}))).names
            == {"1": "maize", "60": "lake"}
        ),
        "labels that are cut alike": lambda folder: _refused(
            lambda: PixelClassifier([long + "maize", long + "water"]), "the same to this model"
        ),
    }


def _archives() -> dict[str, Case]:
    header = "POINT_ID,NUTS0,TH_LAT,TH_LONG,TH_EW,GPS_LAT,GPS_EW,GPS_LONG,LC1,LU1\n"

    def survey(folder: Path) -> bool:
        row = "31522034,ES,40.4001,3.7012,West,88.888888,8,88.888888,b11 - Common wheat,U111 - Agriculture\n"
        (point,) = read_survey(_write(folder, "EU_2009.csv", header + row)).points.values()
        return (point.longitude, point.lc1, point.lu1) == (-3.7012, "B11", "U111")

    def per_cent(folder: Path) -> bool:
        path = write_raw(folder / "a.h5", 2, size=4)
        divide_bands(path, 100)
        return _refused(lambda: import_sen4map(path, folder / "out", workers=1, progress=False), "per cent")

    def same(encoder: UpstreamEncoder, content: Any, folder: Path) -> bool:
        torch.save(content, folder / "model.ckpt")
        series = torch.rand(4, 12, 10)
        with torch.no_grad():
            ours = read_upstream_encoder(folder / "model.ckpt").pixel_model(series).pooler_output
            return torch.allclose(ours, encoder(series), atol=3e-5)

    four, eight = random_upstream_encoder(heads=4), random_upstream_encoder(heads=8)
    settings = argparse.Namespace(nhead=4)
    return {
        "a survey with sides in words and codes with labels": survey,
        "Sen4Map in per cent": per_cent,
        "a compiled encoder": lambda folder: same(eight, under("_orig_mod.", eight.state_dict()), folder),
        "an encoder of four heads": lambda folder: same(
            four, {"state_dict": four.state_dict(), "hyper_parameters": settings}, folder
        ),
    }


def _numbers() -> dict[str, Case]:
    values = _years()
    season = pd.date_range("2019-07-01", periods=12, freq="MS") + pd.Timedelta(days=14)
    calendar = np.roll(values, -6, axis=1)  # July first
    mask = (values > 2000).astype(np.int32)

    def across_new_year(folder: Path) -> bool:
        classifier = PixelClassifier(LABELS)
        scores = classifier.probabilities(calendar, SeriesOptions(dates=season.to_numpy()))[0]
        return np.allclose(scores, classifier.probabilities(values)[0], atol=SAME)

    def told(frame: pd.DataFrame, folder: Path) -> str:
        frame.to_csv(folder / "t.csv", index=False)
        return str(inspect_source([folder / "t.csv"]))

    def wrong_date(folder: Path) -> bool:
        shifted = _years(40)
        shifted[:, 5] += 1000
        return "2018-06-15" in told(_long(shifted), folder)

    return {
        "a growing season across New Year": across_new_year,
        "one date of another baseline is named": wrong_date,
        "per cent with decimals": lambda folder: "per cent" in told(_long(values / 100), folder),
        "a mask in place of reflectance": lambda folder: "refused" in told(_long(mask), folder),
        "reflectance scaled twice": lambda folder: "scaled twice" in told(_long(values / 1e8), folder),
    }


def _cubes() -> dict[str, Case]:
    def scaled_by_hand(folder: Path) -> bool:
        cube = small_cube()
        control = map_cube(open_cube(cube), "maize,water", progress=False)
        attributes = {"scale_factor": 1e-4, "add_offset": 0.0}
        divided = cube.map(lambda band: (band / 10_000).astype(np.float32).assign_attrs(attributes), keep_attrs=True)
        mapped = map_cube(open_cube(divided.rio.write_crs(cube.rio.crs)), "maize,water", progress=False)
        return np.allclose(mapped["probability"], control["probability"], atol=1e-6)

    force = ["BLU", "GRN", "RED", "RE1", "RE2", "RE3", "BNR", "NIR", "SW1", "SW2"]
    return {
        "reflectance whose attributes still scale": scaled_by_hand,
        "FORCE's short names": lambda folder: read_bands(force) == list(BANDS),
        "near infrared of two widths in words": lambda folder: (
            read_bands(["Near Infrared", "Near Infrared narrow"]) == ["B08", "B8A"]
        ),
    }
