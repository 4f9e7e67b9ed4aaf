"""Fit the regression that estimates the red edge from the other bands, and measure it on real pixels.

    python -m training.fit_red_edge

prints the table of `missing_bands_timesenclip.RED_EDGE` and, for each real set that is there, the share of each band's
variance that the estimate explains (R2). Simulations are fitted, real pixels only measured.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from timesenclip_hf.maps.cubes.reading import open_cube
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.feature_extraction_timesenclip import MASKED_SCL
from timesenclip_hf.models.timesenclip.missing_bands_timesenclip import (
    PREDICTORS,
    RED_EDGE,
    estimate_bands,
    fill_bands,
)
from timesenclip_hf.models.timesenclip.options_timesenclip import SeriesOptions
from timesenclip_hf.models.timesenclip.radiometry_timesenclip import to_digital_numbers
from timesenclip_hf.models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from timesenclip_hf.simulator import simulate
from training.real_sets import real_data_folder

POINTS, SEED = 8000, 0
# Folder, first date and step of the composites, as its README says.
REAL_TABLES = {
    "France 2023": ("worldcereal_france_2023_dekad", "2022-09-01", np.timedelta64(10, "D")),
    "East Africa 2017": ("worldcereal_eastafrica_2017_monthly", "2016-12", np.timedelta64(1, "M")),
    "LUCAS 2018": ("worldcereal_lucas2018_25", "2017-08", np.timedelta64(1, "M")),
}


def main() -> None:
    """Print the table and its R2."""
    for name, weights in fit(complete(simulate(POINTS, seed=SEED).series, "reflectance")).items():
        print(f'    "{name}": ({", ".join(f"{weight:.4f}" for weight in weights)}),')
    for name, dn in real_observations(real_data_folder()):
        print(name, {band: round(value, 3) for band, value in explained(dn).items()}, f"of {len(dn)} observations")


def fit(dn: np.ndarray) -> dict[str, list[float]]:
    """Fit each band of the red edge by least squares to digital numbers (observation, band) of `BANDS`."""
    reflectance = dn.astype(np.float64) / DN_PER_REFLECTANCE
    columns = np.column_stack([np.ones(len(reflectance)), *(reflectance[:, BANDS.index(name)] for name in PREDICTORS)])
    return {
        name: np.linalg.lstsq(columns, reflectance[:, BANDS.index(name)], rcond=None)[0].tolist() for name in RED_EDGE
    }


def explained(dn: np.ndarray) -> dict[str, float]:
    """Return R2 of the committed table for each band, of digital numbers (observation, band)."""
    names = list(RED_EDGE)
    without = dn[:, None, :].copy()
    without[:, :, [BANDS.index(name) for name in names]] = np.nan
    estimate_bands(without, BANDS)
    truth, estimate = (
        values[:, [BANDS.index(name) for name in names]].astype(np.float64) for values in (dn, without[:, 0])
    )
    residual, spread = ((truth - estimate) ** 2).sum(axis=0), ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return dict(zip(names, (1 - residual / spread).tolist(), strict=True))


def complete(series: np.ndarray, units: str, hidden: np.ndarray | None = None) -> np.ndarray:
    """Return the observations (observation, band) of series with every band, in digital numbers."""
    options = SeriesOptions(units=units, offset=0)
    dn = to_digital_numbers(series, hidden, list(BANDS), options, judge=False)
    fill_bands(dn, BANDS)
    observations = dn.reshape(-1, len(BANDS))
    return np.asarray(observations[~np.isnan(observations).any(axis=1)])


def real_observations(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read the clear observations of the real sets that have the red edge, (observation, band)."""
    for name, series, reading in real_pixels(folder):
        yield name, complete(series, "dn", None if reading.scl is None else np.isin(reading.scl, MASKED_SCL))


def real_pixels(folder: Path) -> Iterator[tuple[str, np.ndarray, SeriesOptions]]:
    """Read the series (pixel, time, band) of the real sets that have the red edge, with how they are read."""
    for name, (table, start, step) in REAL_TABLES.items():
        if (folder / table).is_dir():
            with np.load(folder / table / "series.npz", allow_pickle=False) as archive:
                series = archive["X"]
            dates = (np.datetime64(start) + np.arange(series.shape[1]) * step).astype("datetime64[D]")
            yield name, series, SeriesOptions(dates=dates, units="dn", offset=0)
    files = sorted((folder / "worldcereal_flanders_2018" / "raw_nc").glob("S2_L2A_*.nc"))
    if files:
        cube = open_cube(files)
        series, classes = cube["reflectance"].values, cube["scl"].values
        pixels = series.reshape(*series.shape[:2], -1).transpose(2, 0, 1)
        scl = classes.reshape(len(classes), -1).T
        yield "Flanders 2018", pixels, SeriesOptions(dates=cube["time"].values, scl=scl, units="dn", nodata=0, offset=0)


if __name__ == "__main__":
    main()
