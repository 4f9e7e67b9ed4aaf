"""Files of pictures and patches as EuroSAT and BigEarthNet keep them, with random pixels."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.small_cubes import write_raster
from timesenclip_hf.data.sources.bigearthnet import SIDES


def write_picture(path: Path, size: int = 64, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(random_pictures(1, seed, size)[0]).save(path)
    return path


def write_patch(
    folder: Path, name: str, labels: Sequence[str] | None = ("Pastures",), seed: int = 0
) -> dict[str, np.ndarray]:
    """A patch of BigEarthNet's first version, without its labels where they are None; returns the bands."""
    path = folder / name
    path.mkdir(parents=True)
    random = np.random.default_rng(seed)
    bands = {}
    for band, side in SIDES.items():
        bands[band] = random.integers(0, 3_000, (side, side), dtype=np.uint16)
        write_raster(path / f"{name}_{band}.tif", bands[band][None], size=1_200 / side)
    if labels is not None:
        content = {"labels": list(labels), "acquisition_date": "2017-06-17 11:33:21"}
        (path / f"{name}_labels_metadata.json").write_text(json.dumps(content))
    return bands


def random_pictures(count: int, seed: int = 0, side: int = 40) -> np.ndarray:
    """RGB pictures of chance, (count, side, side, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
