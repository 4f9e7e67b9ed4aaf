"""Read series and cubes as a checkpoint reads them: uploads in the reading process, examples in the server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..extras import needs_extra
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ..models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE, PLAUSIBLE_REFLECTANCE
from .limits import check_pixels

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes.reading import acquisition_offsets


@dataclass(frozen=True)
class EncodedSeries:
    """Hold series as reflectance, composited as the checkpoint reads them.

    Attributes:
        reflectance: (series, time, band) float32, NaN where missing; brighter than any surface is cut off.
        observed: (series, time), True where the observation is clear.
        months: (series, time), position in the year, 0 = January.
        bands: names of the band axis.
    """

    reflectance: np.ndarray
    observed: np.ndarray
    months: np.ndarray
    bands: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reflectance)

    def __getitem__(self, rows: slice) -> "EncodedSeries":
        return EncodedSeries(self.reflectance[rows], self.observed[rows], self.months[rows], self.bands)

    @property
    def missing_months(self) -> list[int]:
        """List the calendar months, 0 = January, in which the first series has no clear observation."""
        seen = np.rint(self.months[0][self.observed[0]]).astype(int) % MONTHS_PER_YEAR
        return sorted(set(range(MONTHS_PER_YEAR)) - set(seen.tolist()))


@dataclass(frozen=True)
class Reading:
    """Hold what was read of an upload or an example.

    Attributes:
        series: the series asked for, or all pixels of a cube, row by row.
        height: rows of the cube; 1 for a series.
        width: columns of the cube; 1 for a series.
        count: series in the file; 1 for a cube.
        name: of the series in the file.
        notes: short sentences of what the reader understood.
    """

    series: EncodedSeries
    height: int = 1
    width: int = 1
    count: int = 1
    name: str = ""
    notes: list[str] = field(default_factory=list)


class SeriesReader:
    """Read series with the settings of a checkpoint's feature extractor, but keep reflectance, so that it can be shown.

    Args:
        settings: what `to_dict` of the feature extractor gives.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        count, brightest = len(self.settings["band_names"]), PLAUSIBLE_REFLECTANCE[1] * DN_PER_REFLECTANCE
        # What the scaling divides by is multiplied again.
        plain = {"band_low": [0.0] * count, "band_scale": [brightest] * count}
        self._extractor = TimeSenCLIPFeatureExtractor(**{**self.settings, **plain})

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the names of the checkpoint's bands, in its order."""
        return tuple(self._extractor.band_names)

    def read(self, series: Any, **options: Any) -> EncodedSeries:
        """Composite series, in any form that the feature extractor takes, with fields of [`SeriesOptions`].

        Raises:
            ValueError: they cannot be read.
        """
        features = self._extractor(series, allow_empty=True, **options)
        values, observed = features["pixel_series"], features["series_mask"]
        if values.ndim != 3:
            raise ValueError(f"Each series must be of one pixel, (time, band), got {values.shape[1:]}: take one pixel.")
        reflectance = np.where(observed[..., None], values * PLAUSIBLE_REFLECTANCE[1], np.nan).astype(np.float32)
        return EncodedSeries(reflectance, observed, features["months"], self.bands)

    def read_cube(self, cube: xr.Dataset, *, offset: float | None = None) -> Reading:
        """Composite every pixel of a cube that [`open_cube`] returned, row by row, in one unit and of one year.

        Args:
            cube: `reflectance` (time, band, y, x), and `scl` where there is one.
            offset: to subtract from digital numbers, where the cube does not say itself.

        Raises:
            ValueError: the cube is too large or cannot be read.
        """
        height, width = cube.sizes["y"], cube.sizes["x"]
        check_pixels(height, width)
        pixels, scl, options = pixel_series(cube)
        units = "dn" if pixels.dtype.kind in "iu" else "auto"
        options = {"offset": offset or None, **options, "scl": scl, "units": units}
        series = self.read(np.ascontiguousarray(pixels), **options)
        return Reading(series, height, width, notes=list(cube.attrs.get("notes", [])))


def pixel_series(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Take a cube apart into series (pixels, time, band), row by row, and scene classes (pixels, time) if it has them.

    Returned third are the fields of [`SeriesOptions`] that the pixels share, as far as the cube says them.
    """
    values, times = cube["reflectance"].values, "dates" if cube["time"].dtype.kind == "M" else "months"
    options = {"bands": cube["band"].values.tolist(), times: cube["time"].values}
    options |= {"nodata": cube.attrs.get("nodata"), "offset": acquisition_offsets(cube)}
    classes = cube["scl"].values.reshape(len(values), -1).T if "scl" in cube else None
    series = values.reshape(*values.shape[:2], -1).transpose(2, 0, 1)
    return series, classes, {name: option for name, option in options.items() if option is not None}
