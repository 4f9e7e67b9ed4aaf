"""Measure what the embedded default does with series unlike any it was trained on, and with bright acquisitions.

Series are damaged as inputs go wrong: bands in another order, an offset left in, the top of the atmosphere for the
ground, noise.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from timesenclip_hf import DEFAULT_CHECKPOINT
from timesenclip_hf.evaluation.harness import evaluate
from timesenclip_hf.evaluation.protocol import Checkpoint
from timesenclip_hf.evaluation.robustness import WAVELENGTHS
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.evaluation.sets import simulated_set
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from timesenclip_hf.models.timesenclip.offsets_timesenclip import BASELINE_OFFSET
from timesenclip_hf.models.timesenclip.screening_timesenclip import cloud_like
from timesenclip_hf.models.timesenclip.units_timesenclip import DN_PER_REFLECTANCE
from training.evidence.claims import Ledger
from training.measure import PLAIN
from training.real_sets import real_data_folder, real_sets

POINTS = 6_000
MOST_FLAGGED, FEWEST_FLAGGED, MOST_OF_ENCODER = 0.02, 0.9, 0.02
# Of the score, above which a series is unlike any that the checkpoint was trained on.
NOVEL = 1.0
Series = npt.NDArray[np.float32]
# Sun zenith of the simulated top of the atmosphere, in degrees; Sentinel-2 sees it from about the nadir.
_SUN = 40.0
# Aerosol of a clear continental sky: optical depth at 550 nm, Angstrom's exponent, light scattered back to the nadir.
_AEROSOL, _ANGSTROM, _AEROSOL_PHASE = 0.1, 1.3, 0.2


def is_novel(checkpoint: Checkpoint, samples: Samples) -> npt.NDArray[np.bool_] | None:
    """Tell which series are unlike any the checkpoint was trained on; None where it has no statistics of those."""
    statistics = getattr(checkpoint.model, "novelty", None)
    if statistics is None:
        return None
    features = samples.features(checkpoint.processor.feature_extractor)
    with torch.no_grad():
        scores = statistics(features["pixel_series"], features["series_mask"], features["months"])
    return np.asarray((scores > NOVEL).numpy())


def screen_share(checkpoint: Checkpoint, samples: Samples) -> float:
    """Time the screen for clouds as a share of the encoder's time on the same series, the best of five turns."""
    features = samples.features(checkpoint.processor.feature_extractor)

    def spent(work: Callable[[], Any]) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    screens, encodings = zip(
        *(
            (
                spent(lambda: cloud_like(samples.series, BANDS)),
                spent(lambda: encode(checkpoint.model, features)),
            )
            for _ in range(5)
        ),
        strict=True,
    )
    return float(min(screens) / min(encodings))


def reordered(order: Sequence[str]) -> Callable[[Series], Series]:
    """Read bands that lie in this order as if they lay in that of `BANDS`."""
    places = [BANDS.index(name) for name in order]
    return lambda series: series[:, :, places]


def offset_left_in(series: Series) -> Series:
    """Leave in what products add to their numbers since baseline 04.00."""
    return series + np.float32(BASELINE_OFFSET)


def top_of_atmosphere(series: Series) -> Series:
    """Put a clear sky over the ground: light that molecules and aerosol scatter into view, and what they take away.

    Rayleigh's optical depth after Hansen & Travis 1974 (Space Sci. Rev. 16:527); single scattering, no gases.
    """
    micrometres = np.array([WAVELENGTHS[band] for band in BANDS]) / 1000
    rayleigh = 0.008569 * micrometres**-4 * (1 + 0.0113 * micrometres**-2 + 0.00013 * micrometres**-4)
    aerosol = _AEROSOL * (micrometres / 0.55) ** -_ANGSTROM
    sun = np.cos(np.radians(_SUN))
    # The phase function of molecules at the angle between the sun's beam and the nadir view.
    path = (rayleigh * 0.75 * (1 + sun**2) + aerosol * _AEROSOL_PHASE) / (4 * sun)
    # Half of what molecules scatter goes on forwards, and five sixths of what aerosol does.
    through = np.exp(-(rayleigh / 2 + aerosol / 6) * (1 / sun + 1))
    return np.asarray(path * DN_PER_REFLECTANCE + series * through, dtype=np.float32)


def noise(series: Series) -> Series:
    """Put random reflectance up to 0.6 where something was observed."""
    drawn = np.random.default_rng(0).uniform(0, 0.6 * DN_PER_REFLECTANCE, series.shape)
    return np.where(np.isnan(series), np.float32(np.nan), drawn.astype(np.float32))


_SWAPPED = {"B04": "B08", "B08": "B04"}
DAMAGES: dict[str, Callable[[Series], Series]] = {
    "bands in reverse order": reordered(BANDS[::-1]),
    "bands in the order of their names": reordered(sorted(BANDS)),
    "red and near infrared swapped": reordered([_SWAPPED.get(name, name) for name in BANDS]),
    "an offset left in": offset_left_in,
    "reflectance at the top of the atmosphere": top_of_atmosphere,
    "random noise": noise,
}


def novelty(ledger: Ledger) -> None:
    """Flag held-out simulations, damaged ones, and those of every real set with the accuracy of both parts."""
    checkpoint = Checkpoint.load(DEFAULT_CHECKPOINT)
    samples = simulated_set(POINTS).samples
    flagged = is_novel(checkpoint, samples)
    claims = {f"share of held-out simulations flagged with {name}": change for name, change in DAMAGES.items()}
    plain = "share of held-out simulations flagged as unlike any"
    if flagged is None:
        reason = "the embedded default has no statistics of what it was trained on"
        ledger.skip(plain, "<=", MOST_FLAGGED, reason)
        for claim in claims:
            ledger.skip(claim, ">=", FEWEST_FLAGGED, reason)
        return
    ledger.add(plain, _share(flagged), "<=", MOST_FLAGGED)
    for claim, change in claims.items():
        share = _share(is_novel(checkpoint, replace(samples, series=change(samples.series))))
        ledger.add(claim, share, ">=", FEWEST_FLAGGED)
    try:
        sets = list(real_sets(real_data_folder()))
    except FileNotFoundError as error:
        ledger.skip("real sets whose flagged series are printed", "==", 1, str(error))
        return
    notes = [_of_real_set(checkpoint, answers) for answers in evaluate([checkpoint], sets, PLAIN).pictured]
    claim = "tasks of real sets whose flagged series are printed with their accuracy"
    ledger.add(claim, len(notes), ">=", len(sets), "; ".join(notes))


def screen(ledger: Ledger) -> None:
    """Time the screen for bright, flat acquisitions beside the encoder."""
    share = screen_share(Checkpoint.load(DEFAULT_CHECKPOINT), simulated_set(POINTS).samples)
    ledger.add("the screen for clouds, share of the encoder's time", round(share, 4), "<=", MOST_OF_ENCODER)


def _of_real_set(checkpoint: Checkpoint, answers: Any) -> str:
    """Say which share of a task's series is flagged, and how often those and the rest are named right."""
    scored = answers.scored
    flagged = is_novel(checkpoint, answers.samples.select(scored))
    if flagged is None:
        return ""
    right = [
        f"{answers.right[part].mean():.3f}" if part.any() else "of none" for part in (flagged, np.logical_not(flagged))
    ]
    name = f"{answers.samples.name}, {answers.task}"
    return f"{name}: {_share(flagged):.1%} of {len(scored):,}, right {right[0]}, of the rest {right[1]}"


def _share(flagged: npt.NDArray[np.bool_] | None) -> float:
    return float("nan") if flagged is None else round(float(flagged.mean()), 4)


PARTS: dict[str, Callable[[Ledger], None]] = {"novelty": novelty, "screen": screen}
