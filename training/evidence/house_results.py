"""Say what a checkout computes, to be compared with another's: `python house_results.py ROOT PART`, JSON on stdout.

It runs on the commit before the house moved and on today's, so it uses only what both have: the pipeline, the command,
and the loaders of real sets under either of their names.
"""

import hashlib
import importlib
import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

WORDS = {
    "France 2023": ["wheat", "barley", "maize", "rapeseed", "sunflower", "grassland"],
    "Flanders 2018": ["maize", "grassland", "built-up"],
}
EXAMPLE = ["rapeseed", "corn", "coniferous forest", "water", "houses"]
SMOOTHING = {"plain": (), "potts": ("--smooth", "potts:1.0"), "majority": ("--smooth", "majority:3")}
TASK = "zero-shot-pixel-classification"


def first_of(*names: str) -> Any:
    """Import the first module that is there."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"none of {', '.join(names)} is there")


def digest_of(results: list[list[dict[str, Any]]]) -> str:
    """Hash labels and the bits of their scores."""
    digest = hashlib.sha256()
    for result in results:
        for entry in result:
            digest.update(entry["label"].encode())
            digest.update(struct.pack("d", entry["score"]))
    return digest.hexdigest()


def scores() -> dict[str, str]:
    """Classify the README's example and the real pixels of France and Flanders through the pipeline."""
    from transformers import pipeline

    import timesenclip_hf  # noqa: F401 (registers the task)

    simulator = first_of("timesenclip_hf.simulator", "timesenclip_hf.data.simulated")
    loaders = first_of("training.real_sets", "timesenclip_hf.evaluation.sets.real")
    folder = first_of("training.real_sets", "training.evaluate").real_data_folder()
    classify = pipeline(TASK)
    points = simulator.simulate(5, seed=7, classes=["rapeseed", "maize", "spruce woodland", "lake"])
    digests = {"README's example": digest_of(classify(points.series, candidate_labels=EXAMPLE))}
    for real_set in loaders.real_sets(folder):
        samples = real_set.samples
        if samples.name in WORDS:
            pairs = zip(samples.series, samples.months, strict=True)
            series = [{"series": values, "months": months} for values, months in pairs]
            digests[samples.name] = digest_of(classify(series, candidate_labels=WORDS[samples.name]))
    return digests


def maps() -> dict[str, Any]:
    """Map Flanders by the command; hashes of the GeoTIFFs, and the classes after a majority."""
    import rasterio

    app = importlib.import_module("timesenclip_hf.cli").app
    folder = first_of("training.real_sets", "training.evaluate").real_data_folder()
    files = sorted(map(str, (folder / "worldcereal_flanders_2018" / "raw_nc").glob("S2_*.nc")))
    outcome: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for title, options in (
            ("plain", ()),
            ("potts", ("--smooth", "potts:1.0")),
            ("majority", ("--smooth", "majority:3")),
        ):
            output = Path(name) / f"{title}.tif"
            call = ["map", *files, "--year", "2018", "--labels", "maize,grassland,built-up", "--output", str(output)]
            app([*call, *options], standalone_mode=False)
            if title == "majority":
                with rasterio.open(output) as raster:
                    outcome[title] = hashlib.sha256(raster.read(1).tobytes()).hexdigest()
            else:
                made = (output, output.with_name(f"{title}_scores.tif"))
                outcome[title] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made]
    return outcome


def main() -> None:
    """Print the outcome of a part."""
    root, part = sys.argv[1:]
    sys.path[0] = root  # the folder of this file holds modules whose names are those of packages
    printed = sys.stdout
    sys.stdout = sys.stderr  # what commands say is not the answer
    outcome = {"scores": scores, "maps": maps}[part]()
    print(json.dumps(outcome), file=printed)


if __name__ == "__main__":
    main()
