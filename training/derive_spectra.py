"""Derive the simulator's measured spectra from a public library: ten-band statistics of soils, towns, straw and char.

    pip download earthlib==1.1.0 --no-deps
    python -m training.derive_spectra earthlib-1.1.0-py3-none-any.whl

writes the table `measured_spectra`, and prints, for each material, how far the quantiles of spectra drawn from it lie
from those measured, with three ways of keeping the statistics. The library's spectra themselves are not kept.
"""

import argparse
import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from timesenclip_hf.files import whole_file

# By its path, since the simulator cannot be imported while its table is absent.
TABLE = Path(__file__).resolve().parent.parent / "src/timesenclip_hf/simulator/tables/measured_spectra.json"
LIBRARY = "earthlib/data/spectra"
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
# Sentinel-2A's central wavelengths and widths in nm: ESA, Sentinel-2 User Handbook, issue 1, table 1.
CENTRES = np.array([490, 560, 665, 705, 740, 783, 842, 865, 1610, 2190])
WIDTHS = np.array([65, 35, 30, 15, 15, 20, 115, 20, 90, 180])
COMPONENTS = 3
QUANTILES = (5, 25, 50, 75, 95)
DRAWN = 20_000
# Where the groups of soils start, reflectance at the ten bands; each soil joins the nearest, whose mean then moves.
SOILS = {
    "black soil": (0.046, 0.065, 0.10, 0.115, 0.128, 0.14, 0.157, 0.162, 0.29, 0.288),
    "dusky soil": (0.065, 0.105, 0.166, 0.183, 0.196, 0.204, 0.203, 0.202, 0.217, 0.215),
    "brown soil": (0.06, 0.095, 0.17, 0.195, 0.215, 0.233, 0.248, 0.253, 0.40, 0.37),
    "loam": (0.103, 0.15, 0.217, 0.24, 0.26, 0.278, 0.293, 0.297, 0.395, 0.378),
    "red soil": (0.078, 0.145, 0.286, 0.32, 0.35, 0.364, 0.36, 0.356, 0.493, 0.408),
    "pale soil": (0.139, 0.21, 0.294, 0.32, 0.34, 0.362, 0.373, 0.375, 0.467, 0.435),
    "yellow soil": (0.165, 0.267, 0.387, 0.42, 0.444, 0.46, 0.46, 0.46, 0.559, 0.486),
    "bright soil": (0.276, 0.40, 0.51, 0.54, 0.56, 0.58, 0.58, 0.58, 0.652, 0.568),
}
# The library's second and third level of names by material.
MATERIALS = {
    "asphalt": ("built", ("asphalt", "road", "parking_lot")),
    "concrete": ("built", ("sidewalk", "driveway", "bridge")),
    "shingle roof": ("built", ("comp_shingle",)),
    "concrete tiles": ("built", ("concrete_tile",)),
    "clay tiles": ("built", ("tile",)),
    "wooden roof": ("built", ("wood_shingle",)),
    "metal roof": ("built", ("metal",)),
    "gravel": ("built", ("gravel",)),
    "beach sand": ("bare", ("sand",)),
    "straw": ("npv", ("npv", "litter")),
    "wood": ("npv", ("bark", "wood")),
    "char": ("burned", ("char",)),
}
Array = np.ndarray
Scale = tuple[Callable[[Array], Array], Callable[[Array], Array]]
SCALES: dict[str, Scale] = {
    "logit": (lambda r: np.log(r / (1 - r)), lambda z: 1 / (1 + np.exp(-z))),
    "log": (np.log, np.exp),
    "reflectance": (np.asarray, np.asarray),
}


def main() -> None:
    """Write the table and print the distances of its quantiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="earthlib's wheel, as `pip download earthlib --no-deps` fetches it")
    wheel = parser.parse_args().wheel
    measured = materials(*read_library(wheel))
    with whole_file(TABLE, overwrite=True) as path:
        path.write_text(_as_json(wheel, measured), encoding="utf-8")
    print("mean distance of quantiles, share of the median:", ", ".join(SCALES))
    distances = {name: [distance(spectra, scale) for scale in SCALES.values()] for name, spectra in measured.items()}
    distances["mean"] = list(np.mean(list(distances.values()), axis=0))
    for name, row in distances.items():
        print(f"{name:<16}", *(f"{value:.3f}" for value in row))


def read_library(wheel: Path) -> tuple[list[dict[str, str]], Array]:
    """Read the rows of names, and the spectra at the ten bands, (spectrum, 10)."""
    with zipfile.ZipFile(wheel) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(f"{LIBRARY}.csv").decode())))
        header = archive.read(f"{LIBRARY}.sli.hdr").decode()
        spectra = np.frombuffer(archive.read(f"{LIBRARY}.sli"), "<f4").reshape(len(rows), -1)
    listed = re.search(r"\bwavelength = \{([^}]*)\}", header)
    if listed is None:
        raise ValueError(f"{wheel} has no wavelengths in {LIBRARY}.sli.hdr: use earthlib 1.1.")
    return rows, at_bands(spectra, np.array([float(value) for value in listed[1].split(",")]) * 1000)


def at_bands(spectra: Array, wavelengths: Array) -> Array:
    """Average spectra over the bands: every nm within half a width of the centre counts alike, (spectrum, 10)."""
    bands = []
    for centre, width in zip(CENTRES, WIDTHS, strict=True):
        within = np.arange(np.ceil(centre - width / 2), centre + width / 2 + 1e-9)
        right = np.clip(np.searchsorted(wavelengths, within), 1, len(wavelengths) - 1)
        share = (within - wavelengths[right - 1]) / (wavelengths[right] - wavelengths[right - 1])
        bands.append((spectra[:, right - 1] * (1 - share) + spectra[:, right] * share).mean(axis=1))
    return np.stack(bands, axis=1).astype(np.float64)


def materials(rows: list[dict[str, str]], bands: Array) -> dict[str, Array]:
    """Sort spectra by material: soils by colour and brightness, the others by their names."""
    soils = bands[[row["SOURCE"] == "icraf-isric-soil-database" for row in rows]]
    starts = np.log(np.array(list(SOILS.values())))
    for _ in range(100):
        nearest = ((np.log(soils)[:, None] - starts) ** 2).sum(axis=2).argmin(axis=1)
        starts = np.stack([np.log(soils[nearest == group]).mean(axis=0) for group in range(len(SOILS))])
    by_colour = {name: soils[nearest == group] for group, name in enumerate(SOILS)}
    named = [(row["LEVEL_2"], row["LEVEL_3"]) for row in rows]
    return by_colour | {
        name: bands[[level_2 == upper and level_3 in lower for level_2, level_3 in named]]
        for name, (upper, lower) in MATERIALS.items()
    }


def statistics(spectra: Array, scale: Scale) -> tuple[Array, Array, Array]:
    """Return the mean, the components times their spread (component, 10), and the spread of what they leave."""
    values = scale[0](np.clip(spectra, 0.002, 0.98))
    mean = values.mean(axis=0)
    left, spread, components = np.linalg.svd(values - mean, full_matrices=False)
    kept = (left * spread)[:, :COMPONENTS] @ components[:COMPONENTS]
    loadings = components[:COMPONENTS] * spread[:COMPONENTS, None] / np.sqrt(len(spectra))
    return mean, loadings, (values - mean - kept).std(axis=0)


def distance(spectra: Array, scale: Scale) -> float:
    """Return how far quantiles of drawn spectra lie from those measured: the mean over bands, by the band's median."""
    mean, components, rest = statistics(spectra, scale)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((DRAWN, len(BANDS))) * rest
    drawn = scale[1](mean + rng.standard_normal((DRAWN, COMPONENTS)) @ components + noise)
    apart = np.abs(np.percentile(drawn, QUANTILES, axis=0) - np.percentile(spectra, QUANTILES, axis=0))
    return float((apart / np.median(spectra, axis=0)).mean())


def _as_json(wheel: Path, measured: dict[str, Array]) -> str:
    version = wheel.name.split("-")[1]
    head = {
        "note": "Measured spectra of soils, towns, dead plants and char, as statistics of a material at `bands`: a "
        "spectrum is 1 / (1 + exp(-x)), x = mean + z components + y rest with z and y standard normal. Written by "
        "training/derive_spectra.py: rectangular bands of Sentinel-2A's central wavelengths and widths.",
        "source": f"earthlib {version}, copyright (c) 2023 Christopher Anderson, MIT licence, which names as its "
        "sources: soils, the World Agroforestry (ICRAF) Global Soil Spectral Library, measured dry and sieved; towns, "
        "UCSB's Urban Reflectance Spectra; dead plants and char, these, the Joint Fire Science Program, the "
        "UW/BNL/NASA HyspIRI airborne calibration spectra and the USGS Spectral Library Version 7.",
        "notes": {
            "count": "Spectra that were measured.",
            "sieved": "Measured on a dry, sieved sample rather than where it lay.",
            "rest": "Spread that the components leave.",
        },
    }
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in head.items()]
    lines.append(f'  "bands": {json.dumps(BANDS)}')
    entries = []
    for name, spectra in measured.items():
        mean, components, rest = (np.round(values, 3).tolist() for values in statistics(spectra, SCALES["logit"]))
        rows = ",\n".join(f"        {json.dumps(row)}" for row in components)
        entries.append(
            f'    "{name}": {{\n      "count": {len(spectra)},\n      "sieved": {json.dumps(name in SOILS)},\n'
            f'      "mean": {json.dumps(mean)},\n'
            f'      "components": [\n{rows}\n      ],\n      "rest": {json.dumps(rest)}\n    }}'
        )
    lines.append('  "materials": {\n' + ",\n".join(entries) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
