"""Measure how units, offsets, seasons and missing bands are judged, on simulated points and on real pixels."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from timesenclip_hf.models.timesenclip.missing_bands_timesenclip import RED_EDGE
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from timesenclip_hf.simulator import simulate
from training.evidence.claims import Ledger
from training.fit_red_edge import explained, real_observations, real_pixels
from training.real_sets import real_data_folder

LABELS = ("maize", "wheat", "rapeseed", "grassland", "woodland", "buildings", "water")
MISSING = 65535
POINTS = 400
EXTRACTOR = TimeSenCLIPFeatureExtractor()


def units(ledger: Ledger) -> None:
    """Read one set in every unit that people have: as the control, or refused."""
    dn = _simulated()
    control = EXTRACTOR(dn, units="dn", offset=0, allow_empty=True)["pixel_series"]
    reflectance = np.where(dn == MISSING, np.nan, dn / DN_PER_REFLECTANCE).astype(np.float32)
    fractions = np.where(dn == MISSING, np.nan, dn).astype(np.float64)
    alike: dict[str, tuple[Any, dict[str, Any]]] = {
        "uint16": (dn, {}),
        "int32": (dn.astype(np.int32), {}),
        "float64": (fractions, {}),
        "reflectance": (reflectance, {}),
        "per cent, said": (reflectance * 100, {"units": "percent"}),
        "one date of another baseline, said": (_shifted(dn), {"offset": [0] * 5 + [1000] + [0] * 6}),
    }
    apart = {}
    for name, (values, settings) in alike.items():
        read = EXTRACTOR(values, allow_empty=True, **settings)["pixel_series"]
        apart[name] = float(np.abs(read - control).max())
    note = "; ".join(f"{name}: {value:.1e}" for name, value in apart.items())
    ledger.add("units: largest difference of an input from the control's", max(apart.values()), "<=", 1e-4, note)
    strange = {
        "per cent": reflectance * 100,
        "whole per cent": np.where(dn == MISSING, -9999, np.rint(dn / 100.0)).astype(np.int32),
        "scaled twice": reflectance / DN_PER_REFLECTANCE,
        "reflectance divided by 100": reflectance / 100,
        "reflectance times 10": reflectance * 10,
        "a mask": (dn > 2000).astype(np.int32),
        "eight bits": np.clip(reflectance * 400, 0, 255).round().astype(np.float32).astype(np.int32),
        "decibels": np.log10(np.maximum(reflectance, 1e-3)) * 10,
        "radiances": np.where(dn == MISSING, -9999, dn.astype(np.int64) * 40).astype(np.int32),
    }
    taken = [name for name, values in strange.items() if not _refusal(values)]
    claim = "units: kinds of values that are no reflectance and are not refused"
    ledger.add(claim, len(taken), "==", 0, f"of {len(strange)} kinds: {', '.join(strange)}")


def offsets(ledger: Ledger) -> None:
    """Raise one date of many: it must be named and read right, and no other."""
    checked, named, right, false = 0, 0, 0, []
    for name, dn in _sets():
        dates = (np.datetime64("2018-01-05") + np.arange(dn.shape[1]) * 5).astype("datetime64[D]")
        reading = SeriesOptions(dates=dates, units="dn", offset=np.zeros(len(dates)), season="all")
        settled, notes = EXTRACTOR.settle(dn, reading)
        false += [f"{name}: {note}" for note in notes if note.startswith("The values of")]
        for index in range(0, dn.shape[1], max(1, dn.shape[1] // 12)):
            raised = dn.astype(np.float32)
            raised[:, index] = np.where(raised[:, index] == MISSING, MISSING, raised[:, index] + 1000)
            if (raised[:, index] != MISSING).any(axis=1).sum() < len(dn) / 10:
                continue
            settled, notes = EXTRACTOR.settle(raised, reading)
            checked += 1
            named += any(note.startswith(f"The values of {dates[index]} ") for note in notes)
            taken = np.asarray(settled.offset)
            right += bool(taken[index] == 1000 and np.count_nonzero(taken) == 1)
    ledger.add("offsets: correct dates of the sets that are said to be wrong", len(false), "==", 0, "; ".join(false))
    note = f"{named} of {checked} dates were named, {right} read with the right offset and no other changed"
    ledger.add("offsets: share of dates with the wrong flag that are read right", right / checked, ">=", 0.8, note)


def seasons(ledger: Ledger) -> None:
    """Read a season as the calendar year of the same months."""
    dn = _simulated()
    series, classifier = np.concatenate([dn, dn], axis=1), PixelClassifier(list(LABELS))
    dates = (np.datetime64("2018-01") + np.arange(24)).astype("datetime64[D]") + 9
    calendar, _ = classifier.probabilities(dn, SeriesOptions(units="dn", offset=0))
    apart = 0.0
    for month in range(1, 13):
        reading = SeriesOptions(dates=dates, season=f"2018-{month:02d}", units="dn", offset=0)
        season, _ = classifier.probabilities(series, reading)
        apart = max(apart, float(np.nanmax(np.abs(season - calendar))))
    note = "twelve windows of the same year twice, each month in its calendar place"
    ledger.add("seasons: largest difference of a probability from the calendar year's", apart, "<=", 1e-6, note)
    half = SeriesOptions(dates=dates[6:18], units="dn", offset=0)
    _, months = classifier.probabilities(series[:, 6:18], half)
    _, full = classifier.probabilities(dn, SeriesOptions(units="dn", offset=0))
    lost = int((full.astype(int) - months).sum())
    ledger.add("seasons: months lost of series from July to June without a word of it", lost, "==", 0)


def red_edge(ledger: Ledger) -> None:
    """Estimate the red edge of real pixels, and classify them without it."""
    try:
        folder = real_data_folder()
    except FileNotFoundError as error:
        ledger.skip("red edge: least R2 of a band on real pixels", ">=", 0.85, str(error))
        return
    explanations = {name: explained(dn) for name, dn in real_observations(folder)}
    note = "; ".join(
        f"{name}: " + ", ".join(f"{band} {value:.3f}" for band, value in of_set.items())
        for name, of_set in explanations.items()
    )
    least = min(min(of_set.values()) for of_set in explanations.values())
    ledger.add("red edge: least R2 of a band on real pixels", round(least, 3), ">=", 0.85, note)
    classifier = PixelClassifier(list(LABELS))
    for name, series, reading in real_pixels(folder):
        known = [band for band in BANDS if band not in RED_EDGE]
        columns = [BANDS.index(band) for band in known]
        ten, _ = classifier.probabilities(series, replace(reading, bands=list(BANDS)))
        estimated = replace(reading, bands=known, missing_bands="estimate")
        six, _ = classifier.probabilities(series[:, :, columns], estimated)
        seen = ~np.isnan(ten).any(axis=1)
        same = float((ten[seen].argmax(axis=1) == six[seen].argmax(axis=1)).mean())
        apart = float(np.abs(ten[seen] - six[seen]).mean())
        note = f"{int(seen.sum())} pixels, {len(LABELS)} labels; a probability differs by {apart:.3f} on average"
        ledger.add(f"red edge: {name}, pixels of the same class as with ten bands", round(same, 3), ">=", 0.75, note)


def _simulated() -> np.ndarray:
    """Return digital numbers (point, 12, 10) of simulated years, whole acquisitions or none."""
    series = simulate(POINTS, seed=11).series
    series = np.asarray(series).copy()
    near, narrow = BANDS.index("B08"), BANDS.index("B8A")
    series[:, :, narrow] = np.where(np.isnan(series[:, :, narrow]), series[:, :, near], series[:, :, narrow])
    missing = np.isnan(series).any(axis=2, keepdims=True)
    return np.where(missing, MISSING, np.clip(np.rint(np.nan_to_num(series) * 10_000), 1, 20_000)).astype(np.uint16)


def _shifted(dn: np.ndarray) -> np.ndarray:
    shifted = dn.copy()
    shifted[:, 5] = np.where(dn[:, 5] == MISSING, MISSING, dn[:, 5] + 1000)
    return shifted


def _refusal(values: np.ndarray) -> str:
    try:
        EXTRACTOR(values, allow_empty=True)
    except ValueError as error:
        return str(error)
    return ""


def _sets() -> Iterator[tuple[str, np.ndarray]]:
    """Return digital numbers (series, time, band) of simulated points, and of the real tables that are there."""
    yield "simulated", _simulated()
    try:
        folder = real_data_folder()
    except FileNotFoundError:
        return
    for name in ("worldcereal_eastafrica_2017_monthly", "worldcereal_france_2023_dekad", "sits_rondonia_2018"):
        if (path := Path(folder) / name / "series.npz").is_file():
            with np.load(path, allow_pickle=False) as archive:
                yield name, archive["X"]


PARTS = {"units": units, "offsets": offsets, "seasons": seasons, "red_edge": red_edge}
