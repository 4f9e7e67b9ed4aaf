"""Label sets that the samples of real pixels use, beside the package's own."""

from pathlib import Path

LABEL_SETS = Path(__file__).parents[2] / "training" / "label_sets"
FRANCE_CROPS = LABEL_SETS / "france_crops.json"
FLANDERS_COVERS = LABEL_SETS / "flanders_covers.json"
