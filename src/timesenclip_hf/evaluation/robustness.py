"""How accuracy falls when a series is damaged: months and bands lost, noise, haze, a wrong offset, wrong months.

Damage is done to the feature extractor's output, not to what it reads: that is what every source of samples has in
common, and the extractor would mask or refuse some of the damage that is to be measured. Reflectance is added in the
extractor's scaling and clamped to [0, 1] again, which is what it would have done itself, except that a value that
was clamped before starts from the limit.

A stronger level does the same damage, only more of it: what one level hides, the next hides too, and noise and haze
are one draw times the level. Level 0 is the undamaged input itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..models.timesenclip.bands_timesenclip import BANDS
from ..models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ..models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from ..models.timesenclip.radiometry_timesenclip import BASELINE_OFFSET, DN_PER_REFLECTANCE

Features = dict[str, torch.Tensor]
Level = float | str
Change = Callable[[Features, Any, TimeSenCLIPFeatureExtractor, np.random.Generator], Features]

# Northern months from the middle of winter outwards, January 0; from the end, from the middle of summer outwards.
WINTER_FIRST = (0, 11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6)
# Central wavelengths in nm, rounded (ESA, Sentinel-2 MSI user guide).
WAVELENGTHS = dict(zip(BANDS, (490, 560, 665, 705, 740, 783, 842, 865, 1610, 2190), strict=True))
# Optical depth of aerosol falls as wavelength ** -1.3 over land (Angstrom 1929), and so does, to first order, the
# light that it scatters into view. That it veils nothing, and varies between looks as an exponential variable does,
# are our approximations.
HAZE_EXPONENT = 1.3


def perturb(
    features: Mapping[str, Any],
    perturbation: str,
    level: Level,
    extractor: TimeSenCLIPFeatureExtractor,
    *,
    seed: int = 0,
) -> Features:
    """Damages series.

    Args:
        features: the feature extractor's output, arrays or tensors: `pixel_series` (series, time, band[, height,
            width]), `series_mask` and `months` (series, time).
        perturbation: one of `PERTURBATIONS`. Months are hidden beside those that are missing already, and winter is
            the northern one; a lost band is 0 at every look, the value that training drops bands with.
        level: how much, in the unit of the perturbation; the name of a band for "band"; 0 for none.
        extractor: the one that made the features; it knows their bands and scaling.
        seed: of the draw; the same seed, number of series and perturbation, the same damage.

    Returns:
        The three tensors, new where they changed; the given ones are left alone.

    Raises:
        ValueError: no such perturbation, or a level that it does not have.
    """
    change = _checked(perturbation, level, extractor).change
    given = {name: torch.as_tensor(features[name]) for name in extractor.model_input_names}
    if level == 0:
        return given
    return given | change(given, level, extractor, np.random.default_rng(seed))


def robustness_curves(
    features: Mapping[str, Any],
    measure: Callable[[Features], Mapping[str, Any]],
    extractor: TimeSenCLIPFeatureExtractor,
    *,
    levels: Mapping[str, Sequence[Level]] | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Measures damaged series, one entry a perturbation and level.

    Args:
        features: as [`perturb`] takes them.
        measure: encodes and scores series; its metrics go into the entry as they are.
        extractor: as [`perturb`] takes it.
        levels: of the perturbations to measure; all of `PERTURBATIONS` at their usual levels when left out.
        seed: of the draws.

    Returns:
        `perturbation`, `level`, `unit` of the level, `mean_looks` that are left to a series, and `metrics`.

    Raises:
        ValueError: as [`perturb`], before anything is measured.
    """
    wanted = usual_levels(extractor) if levels is None else levels
    steps = [(perturbation, level) for perturbation, several in wanted.items() for level in several]
    kinds = [_checked(perturbation, level, extractor) for perturbation, level in steps]
    undamaged: Mapping[str, Any] | None = None  # the same at level 0 of every perturbation, and measured once
    entries = []
    for (perturbation, level), kind in zip(steps, kinds, strict=True):
        damaged = perturb(features, perturbation, level, extractor, seed=seed)
        metrics = undamaged if level == 0 and undamaged is not None else measure(damaged)
        undamaged = metrics if level == 0 else undamaged
        entries.append(
            {
                "perturbation": perturbation,
                "level": level,
                "unit": kind.unit,
                "mean_looks": float(damaged["series_mask"].sum(dim=1).double().mean()),
                "metrics": dict(metrics),
            }
        )
    return entries


def usual_levels(extractor: TimeSenCLIPFeatureExtractor) -> dict[str, tuple[Level, ...]]:
    """The levels of each perturbation, as far as the checkpoint's bands go."""
    levels = {name: kind.levels for name, kind in PERTURBATIONS.items()}
    fewer = tuple(level for level in levels["bands_random"] if level in range(len(extractor.band_names)))
    return levels | {"band": (0, *extractor.band_names), "bands_random": fewer}


@dataclass(frozen=True)
class _Perturbation:
    """A kind of damage: what does it, its usual levels and their unit; `most` bounds a level that counts."""

    change: Change
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


def _hide_months(features: Features, count: int, turns: np.ndarray) -> Features:
    """Hides the looks of `count` months; `turns` (series or 1, 12) are 0 for the month that goes first."""
    mask, months = features["series_mask"], features["months"]
    month = months.round().long() % MONTHS_PER_YEAR
    turn = torch.from_numpy(turns).expand(len(mask), -1).gather(1, month)
    # A series without any look has no answer, so the look whose turn comes last stays.
    last = turn.masked_fill(~mask, -1).amax(dim=1, keepdim=True)
    return _masked(features, features["pixel_series"], mask & ((turn >= count) | (turn == last)))


def _hide_random_months(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _hide_months(features, int(level), _shuffled(len(features["months"]), MONTHS_PER_YEAR, rng))


def _hide_winter(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _hide_months(features, int(level), np.argsort(WINTER_FIRST)[None])


def _hide_growing_season(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _hide_months(features, int(level), np.argsort(WINTER_FIRST[::-1])[None])


def _lose_band(
    features: Features, level: str, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _lose(features, np.asarray(extractor.band_names)[None] == level)


def _lose_random_bands(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _lose(features, _shuffled(len(features["months"]), len(extractor.band_names), rng) < level)


def _lose(features: Features, lost: np.ndarray) -> Features:
    """Sets bands to 0, as training does; `lost` (series or 1, band)."""
    series = features["pixel_series"]
    return {"pixel_series": series.masked_fill(_aligned(torch.from_numpy(lost)[:, None], series), 0)}


def _add_noise(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    noise = rng.standard_normal(tuple(features["pixel_series"].shape), dtype=np.float32)
    return _add(features, level * torch.from_numpy(noise), extractor)


def _add_haze(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    """Adds `level * e * (490 nm / wavelength) ** 1.3`, with e of each look exponential of mean 1."""
    wavelengths = np.asarray([WAVELENGTHS[name] for name in extractor.band_names])
    colour = (WAVELENGTHS["B02"] / wavelengths) ** HAZE_EXPONENT
    looks = rng.standard_exponential(tuple(features["months"].shape))
    return _add(features, torch.from_numpy(level * looks[:, :, None] * colour), extractor)


def _leave_offset(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _add(features, torch.full((1, 1, 1), level * BASELINE_OFFSET / DN_PER_REFLECTANCE), extractor)


def _take_offset_twice(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return _leave_offset(features, -level, extractor, rng)


def _shift_months(
    features: Features, level: float, extractor: TimeSenCLIPFeatureExtractor, rng: np.random.Generator
) -> Features:
    return {"months": (features["months"] + level) % MONTHS_PER_YEAR}


def _add(features: Features, reflectance: torch.Tensor, extractor: TimeSenCLIPFeatureExtractor) -> Features:
    """Adds reflectance (series, time, band[, height, width], or 1 in place of any) to what is observed."""
    series = features["pixel_series"]
    per_band = DN_PER_REFLECTANCE / torch.tensor(extractor.band_scale)
    added = _aligned(reflectance.float(), series) * _aligned(per_band[None, None], series)
    return _masked(features, (series + added).clamp(0, 1), features["series_mask"])


def _masked(features: Features, series: torch.Tensor, mask: torch.Tensor) -> Features:
    """The extractor's way to say "missing": False in the mask, 0 in the series."""
    return {"pixel_series": series.masked_fill(~_aligned(mask, series), 0), "series_mask": mask}


def _aligned(values: torch.Tensor, series: torch.Tensor) -> torch.Tensor:
    """With axes of 1 at the end, as many as the series has more."""
    return values.reshape(*values.shape, *(1,) * (series.ndim - values.ndim))


def _shuffled(num_series: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers 0 to count - 1 in an order of its own for each series."""
    return rng.permuted(np.tile(np.arange(count), (num_series, 1)), axis=1)


_MONTHS = tuple(range(MONTHS_PER_YEAR))
PERTURBATIONS = {
    "missing_random": _Perturbation(_hide_random_months, _MONTHS, "months hidden", most=11),
    "missing_winter_first": _Perturbation(_hide_winter, _MONTHS, "months hidden", most=11),
    "missing_growing_season_first": _Perturbation(_hide_growing_season, _MONTHS, "months hidden", most=11),
    "band": _Perturbation(_lose_band, (0, *BANDS), "band lost"),
    "bands_random": _Perturbation(_lose_random_bands, (0, 1, 2, 3, 5, 7, 9), "bands lost", most=len(BANDS) - 1),
    "noise": _Perturbation(_add_noise, (0, 0.005, 0.01, 0.02, 0.05, 0.1), "standard deviation, reflectance"),
    "haze": _Perturbation(_add_haze, (0, 0.01, 0.02, 0.05, 0.1, 0.2), "mean reflectance added to B02"),
    "offset_left_in": _Perturbation(_leave_offset, (0, 0.1, 0.25, 0.5, 1), "times 1,000 digital numbers"),
    "offset_taken_twice": _Perturbation(_take_offset_twice, (0, 0.1, 0.25, 0.5, 1), "times 1,000 digital numbers"),
    "month_shift": _Perturbation(_shift_months, (0, 1, 2, 3, 6), "months late"),
}
