"""Zero-shot on pixels that nothing was trained on: `python training/evaluate.py {simulated,real} [CHECKPOINT]`.

Every figure stands beside the lines that it must beat: always naming the commonest class, and a blind guess.
Pixels of one field are alike, so that the number of pixels says little about the number of independent samples.
"""

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoProcessor
from transformers.utils import logging

from timesenclip_hf import DEFAULT_CHECKPOINT, encode
from timesenclip_hf.classification import PixelClassifier
from timesenclip_hf.cubes import open_cube, parse_codes, read_reference
from timesenclip_hf.data.simulated import simulate
from timesenclip_hf.data.simulated.classes import CLASS_NAMES
from timesenclip_hf.data.tables import read_table
from timesenclip_hf.evaluation.zero_shot import zero_shot_report
from timesenclip_hf.mapping.production import map_cube
from timesenclip_hf.models.timesenclip.zero_shot_timesenclip import embed_labels, score
from timesenclip_hf.taxonomies import load_taxonomy

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "training" / "results"
# Seeds 1 and 2 are those of training/train.py.
HELD_OUT_SEED = 3


def simulated(model: Any, processor: Any, num_points: int = 6_000) -> dict[str, dict[str, Any]]:
    """Held-out simulated points: ten covers in plain words, and all covers of the simulator by their names."""
    points = simulate(num_points, seed=HELD_OUT_SEED)
    features = processor.feature_extractor(points.series, allow_empty=True)
    series_embeds = encode(model, features)
    covers = np.asarray(CLASS_NAMES)[points.class_index]
    suites = {
        "ten_covers": load_taxonomy("simulated_ten").names,
        "all_covers": {name: name for name in CLASS_NAMES},
    }
    reports = {}
    for suite, names in suites.items():
        chosen = np.isin(covers, list(names)) & features["series_mask"].any(axis=1)
        labels, class_embeds = embed_labels(model, processor, list(names.values()))
        best = score(series_embeds[torch.from_numpy(chosen)], class_embeds).argmax(dim=1)
        truth = [names[cover] for cover in covers[chosen]]
        reports[suite] = zero_shot_report(truth, [labels[place] for place in best.tolist()], labels)
    return reports


def real_data_folder() -> Path:
    """The folder of real data.

    Raises:
        FileNotFoundError: it is absent.
    """
    folder = Path(os.environ.get("TIMESENCLIP_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise FileNotFoundError(
            f"There is no real data at {folder}: set TIMESENCLIP_REAL_DATA to the folder that holds it."
        )
    return folder


def flanders(folder: Path, model: str | None = None) -> dict[str, Any]:
    """The Flanders patch mapped for 2018 from its three NetCDFs, against its declared covers."""
    files = folder / "worldcereal_flanders_2018" / "raw_nc"
    cube = open_cube(sorted(files.glob("S2_L2A_*.nc")))
    taxonomy = load_taxonomy("flanders_covers")
    mapped = map_cube(cube, taxonomy.prompts, model, year=2018, progress=False)
    codes = ";".join(f"{label.name}={label.code}" for label in taxonomy.labels)
    reference = read_reference(next(files.glob("OUTPUT_*.nc")), parse_codes(codes), cube)
    chosen = (reference.values >= 0) & (mapped["class"].values > 0)
    names = np.asarray([label.name for label in taxonomy.labels])
    return zero_shot_report(
        names[reference.values[chosen]].tolist(),
        names[mapped["class"].values[chosen] - 1].tolist(),
        names.tolist(),
    )


def france(folder: Path, model: str | None = None, taxonomy_name: str = "france_crops") -> dict[str, Any]:
    """Single pixels of French fields, ten-day looks composited to the months of 2023, against declared crops."""
    files = folder / "worldcereal_france_2023_dekad"
    table = read_table(files / "series.npz")
    with (files / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    taxonomy = load_taxonomy(taxonomy_name)
    truth = [taxonomy.names.get(row["croptype28"]) or taxonomy.names.get(row["landcover10"]) for row in rows]
    classifier = PixelClassifier(taxonomy.prompts, model)
    probabilities = classifier.probabilities_of_items(table.series, year=2023)
    kept = [place for place, name in enumerate(truth) if name and not np.isnan(probabilities[place, 0])]
    predicted = [classifier.labels[place] for place in probabilities[kept].argmax(axis=1)]
    return zero_shot_report([str(truth[place]) for place in kept], predicted, classifier.labels)


def real(model: str | None = None) -> dict[str, dict[str, Any]]:
    """Both real sets, and France again with grassland among the candidates."""
    folder = real_data_folder()
    return {
        "Flanders 2018": flanders(folder, model),
        "France 2023": france(folder, model),
        "France 2023 with grassland": france(folder, model, "france_crops_and_grassland"),
    }


def describe(name: str, report: dict[str, Any]) -> str:
    """A few lines for a person."""
    lines = [
        f"{name}: balanced accuracy {report['balanced_accuracy']:.3f} "
        f"(majority {report['majority_balanced_accuracy']:.3f}, chance {report['chance']:.3f}), "
        f"accuracy {report['accuracy']:.3f} (majority {report['majority_accuracy']:.3f}), {report['samples']} pixels"
    ]
    lines += [f"  {label:<24} recall {recall:.3f}" for label, recall in report["recall"].items()]
    return "\n".join(lines)


def main() -> None:
    """Prints the figures; those of the embedded checkpoint are kept in `training/results`."""
    suites = ("simulated", "real")
    if len(sys.argv) < 2 or sys.argv[1] not in suites:
        raise SystemExit(f"usage: python training/evaluate.py {{{','.join(suites)}}} [CHECKPOINT]")
    logging.disable_progress_bar()
    suite, model = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    if suite == "simulated":
        folder = model or DEFAULT_CHECKPOINT
        reports = simulated(AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder))
    else:
        try:
            reports = real(model)
        except FileNotFoundError as error:
            raise SystemExit(f"skipped: {error}") from None
    for name, report in reports.items():
        print(describe(name, report))
    if model is None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{suite}.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
