"""Measure how accuracy falls when series are damaged: months and bands lost, noise, haze, wrong offsets and months.

Damage is done to the feature extractor's output, not to what it reads: that is what every source of samples has in
common, and the extractor would mask or refuse some of the damage that is to be measured. Reflectance is added in the
extractor's scaling and clamped again as it does, which is what it would have done itself, except that a value that
was clamped before starts from the limit.

A stronger level does the same damage, only more of it: what one level hides, the next hides too, and noise and haze
are one draw times the level. Level 0 is the undamaged input itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ..models.timesenclip.offsets_timesenclip import BASELINE_OFFSET
from ..models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE

Features = dict[str, torch.Tensor]
Level = float | str

# Northern months from the middle of winter outwards, January 0; from the end, from the middle of summer outwards.
WINTER_FIRST = (0, 11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6)
# Central wavelengths in nm, rounded (ESA, Sentinel-2 MSI user guide).
WAVELENGTHS = dict(zip(BANDS, (490, 560, 665, 705, 740, 783, 842, 865, 1610, 2190), strict=True))
# Optical depth of aerosol falls as wavelength ** -1.3 over land (Angstrom 1929), and so does, to first order, the
# light that it scatters into view. That it veils nothing, and varies between time steps as an exponential
# variable does, are our approximations.
HAZE_EXPONENT = 1.3


@dataclass(frozen=True)
class Damage:
    """Hold what a change of series needs: the features, how much, the extractor that made them, and a random draw."""

    features: Features
    level: Any
    extractor: TimeSenCLIPFeatureExtractor
    rng: np.random.Generator

    def shuffled(self, count: int) -> np.ndarray:
        """Shuffle the numbers 0 to count - 1 anew for each series."""
        return self.rng.permuted(np.tile(np.arange(count), (len(self.features["months"]), 1)), axis=1)


def perturb(
    features: Mapping[str, Any],
    perturbation: str,
    level: Level,
    extractor: TimeSenCLIPFeatureExtractor,
    *,
    seed: int = 0,
) -> Features:
    """Damage series; tensors are new where they changed, and those of the caller are left alone.

    Args:
        features: the extractor's output, arrays or tensors: `pixel_series` (series, time, band[, height, width]),
            `series_mask` and `months` (series, time).
        perturbation: one of `PERTURBATIONS`. Months are hidden beside those that are missing already, and winter is the
            northern one; a lost band is 0 at every time step, the value that training drops bands with.
        level: how much, in the unit of the perturbation; the name of a band for "band"; 0 for none.
        extractor: the one that made the features; it knows their bands and scaling.
        seed: of the draw; the same seed, number of series and perturbation, the same damage.
    """
    change = _checked(perturbation, level, extractor).change
    plain = {name: torch.as_tensor(features[name]) for name in extractor.model_input_names}
    return plain if level == 0 else plain | change(Damage(plain, level, extractor, np.random.default_rng(seed)))


def robustness_curves(
    features: Mapping[str, Any],
    measure: Callable[[Features], Mapping[str, Any]],
    extractor: TimeSenCLIPFeatureExtractor,
    *,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Measure damaged series, an entry for each of `PERTURBATIONS` and each of its usual levels.

    An entry has `perturbation`, `level`, its `unit`, `mean_composites` that are left to a series, and `metrics`, which
    `measure` makes of the damaged features of the extractor.
    """
    undamaged: Mapping[str, Any] | None = None  # the same at level 0 of every perturbation, and measured once
    entries = []
    for perturbation, levels in usual_levels(extractor).items():
        for level in levels:
            damaged = perturb(features, perturbation, level, extractor, seed=seed)
            metrics = undamaged if level == 0 and undamaged is not None else measure(damaged)
            undamaged = metrics if level == 0 else undamaged
            entry = {"perturbation": perturbation, "level": level, "unit": PERTURBATIONS[perturbation].unit}
            mean_composites = float(damaged["series_mask"].sum(dim=1).double().mean())
            entries.append({**entry, "mean_composites": mean_composites, "metrics": dict(metrics)})
    return entries


def usual_levels(extractor: TimeSenCLIPFeatureExtractor) -> dict[str, tuple[Level, ...]]:
    """Return the levels of each perturbation, as far as the checkpoint's bands go."""
    levels = {name: kind.levels for name, kind in PERTURBATIONS.items()}
    fewer = tuple(level for level in levels["bands_random"] if level in range(len(extractor.band_names)))
    return levels | {"band": (0, *extractor.band_names), "bands_random": fewer}


@dataclass(frozen=True)
class _Perturbation:
    """Describe a kind of damage: what does it, its usual levels and their unit; `most` bounds a level that counts."""

    change: Callable[[Damage], Features]
    levels: tuple[Level, ...]
    unit: str
    most: int | None = None


def _checked(perturbation: str, level: Level, extractor: TimeSenCLIPFeatureExtractor) -> _Perturbation:
    if perturbation not in PERTURBATIONS:
        raise ValueError(f"`perturbation` must be one of {', '.join(PERTURBATIONS)}, got {perturbation!r}.")
    kind = PERTURBATIONS[perturbation]
    if perturbation == "band":
        wanted, fits = f"0 or one of {' '.join(extractor.band_names)}", level == 0 or level in extractor.band_names
    elif kind.most is not None:
        wanted, fits = f"a whole number from 0 to {kind.most}", level in range(kind.most + 1)
    else:
        wanted, fits = "a number, 0 or more", not isinstance(level, str) and 0 <= level < np.inf
    if not fits:
        raise ValueError(f"The level of {perturbation!r} ({kind.unit}) must be {wanted}, got {level!r}.")
    return kind


def _hide_months(turns_of: Callable[[Damage], np.ndarray]) -> _Perturbation:
    """Hide as many months as the level says; the turns (series or 1, 12) are 0 for the month that goes first."""

    def hide(damage: Damage) -> Features:
        mask, months = damage.features["series_mask"], damage.features["months"]
        month = months.round().long() % MONTHS_PER_YEAR
        turn = torch.from_numpy(turns_of(damage)).expand(len(mask), -1).gather(1, month)
        # A series without any observation has no answer, so that the one whose turn comes last stays.
        last = turn.masked_fill(~mask, -1).amax(dim=1, keepdim=True)
        kept = mask & ((turn >= int(damage.level)) | (turn == last))
        return _masked(damage.features["pixel_series"], kept)

    return _Perturbation(hide, tuple(range(MONTHS_PER_YEAR)), "months hidden", most=MONTHS_PER_YEAR - 1)


def _lose_bands(damage: Damage) -> Features:
    """Set a band that the level names, or as many as it says, to 0, as training does."""
    names, level, series = damage.extractor.band_names, damage.level, damage.features["pixel_series"]
    by_name = isinstance(level, str)
    lost = np.asarray(names)[None] == level if by_name else damage.shuffled(len(names)) < level  # (series or 1, band)
    return {"pixel_series": series.masked_fill(_aligned(torch.from_numpy(lost)[:, None], series), 0)}


def _add_noise(damage: Damage) -> Features:
    noise = damage.rng.standard_normal(tuple(damage.features["pixel_series"].shape), dtype=np.float32)
    return _add(damage, damage.level * torch.from_numpy(noise))


def _add_haze(damage: Damage) -> Features:
    """Add `level * e * (490 nm / wavelength) ** 1.3`, with e of each time step exponential of mean 1."""
    wavelengths = np.asarray([WAVELENGTHS[name] for name in damage.extractor.band_names])
    colour = (WAVELENGTHS["B02"] / wavelengths) ** HAZE_EXPONENT
    depths = damage.rng.standard_exponential(tuple(damage.features["months"].shape))
    return _add(damage, torch.from_numpy(damage.level * depths[:, :, None] * colour))


def _add_offsets(sign: int) -> _Perturbation:
    def add(damage: Damage) -> Features:
        return _add(damage, torch.full((1, 1, 1), sign * damage.level * BASELINE_OFFSET / DN_PER_REFLECTANCE))

    return _Perturbation(add, (0, 0.1, 0.25, 0.5, 1), "times 1,000 digital numbers")


def _shift_months(damage: Damage) -> Features:
    return {"months": (damage.features["months"] + damage.level) % MONTHS_PER_YEAR}


def _add(damage: Damage, reflectance: torch.Tensor) -> Features:
    """Add reflectance (series, time, band[, height, width], or 1 in place of any) to what is observed."""
    series = damage.features["pixel_series"]
    per_band = DN_PER_REFLECTANCE / torch.tensor(damage.extractor.band_scale)
    added = _aligned(reflectance.float(), series) * _aligned(per_band[None, None], series)
    return _masked((series + added).clamp(0, damage.extractor.clamp_max), damage.features["series_mask"])


def _masked(series: torch.Tensor, mask: torch.Tensor) -> Features:
    """Mark what is missing as the extractor does: False in the mask, 0 in the series."""
    return {"pixel_series": series.masked_fill(~_aligned(mask, series), 0), "series_mask": mask}


def _aligned(values: torch.Tensor, series: torch.Tensor) -> torch.Tensor:
    """Add axes of 1 at the end, as many as the series has more."""
    return values.reshape(*values.shape, *(1,) * (series.ndim - values.ndim))


PERTURBATIONS = {
    "missing_random": _hide_months(lambda damage: damage.shuffled(MONTHS_PER_YEAR)),
    "missing_winter_first": _hide_months(lambda _: np.argsort(WINTER_FIRST)[None]),
    "missing_growing_season_first": _hide_months(lambda _: np.argsort(WINTER_FIRST[::-1])[None]),
    "band": _Perturbation(_lose_bands, (0, *BANDS), "band lost"),
    "bands_random": _Perturbation(_lose_bands, (0, 1, 2, 3, 5, 7, 9), "bands lost", most=len(BANDS) - 1),
    "noise": _Perturbation(_add_noise, (0, 0.005, 0.01, 0.02, 0.05, 0.1), "standard deviation, reflectance"),
    "haze": _Perturbation(_add_haze, (0, 0.01, 0.02, 0.05, 0.1, 0.2), "mean reflectance added to B02"),
    "offset_left_in": _add_offsets(1),
    "offset_taken_twice": _add_offsets(-1),
    "month_shift": _Perturbation(_shift_months, (0, 1, 2, 3, 6), "months late"),
}
