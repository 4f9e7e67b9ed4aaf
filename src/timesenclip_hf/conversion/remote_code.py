"""Save a checkpoint folder that loads with `trust_remote_code=True` where this package is not installed."""

import json
import shutil
from pathlib import Path
from typing import Any

from ..models.timesenclip import modeling_timesenclip
from ..models.timesenclip.modeling_timesenclip import TimeSenCLIPModel
from ..models.timesenclip.pipeline_timesenclip import TASK
from ..models.timesenclip.processing_timesenclip import TimeSenCLIPProcessor

# Where transformers finds the code of each Auto class, as `file.Class` beside the weights.
AUTO_CONFIG = {"AutoConfig": "configuration_timesenclip.TimeSenCLIPConfig"}
AUTO_MODEL = {"AutoModel": "modeling_timesenclip.TimeSenCLIPModel"}
AUTO_PROCESSOR = {"AutoProcessor": "processing_timesenclip.TimeSenCLIPProcessor"}
AUTO_FEATURE_EXTRACTOR = {"AutoFeatureExtractor": "feature_extraction_timesenclip.TimeSenCLIPFeatureExtractor"}
CUSTOM_PIPELINES = {
    TASK: {
        "impl": "pipeline_timesenclip.ZeroShotPixelClassificationPipeline",
        "pt": ["AutoModel"],
        "type": "multimodal",
    }
}


def save_with_remote_code(
    model: TimeSenCLIPModel, processor: TimeSenCLIPProcessor, folder: str | Path, **kwargs: Any
) -> None:
    """Save model, processor and the code that reads them, ready for the Hub.

    `AutoModel`, `AutoProcessor` and `pipeline` load the folder with `trust_remote_code=True` in a process that has
    torch and transformers only. Where this package is installed too, its own model and processor are used.

    transformers' `register_for_auto_class` writes the same entries, but marks the classes for the rest of the process,
    so that every later checkpoint would be saved with code beside it.

    Args:
        model: to save.
        processor: to save.
        folder: made if missing; files of the same names are replaced.
        **kwargs: for the model's `save_pretrained` (`max_shard_size`, ...).
    """
    folder = Path(folder)
    model.save_pretrained(folder, **kwargs)
    processor.save_pretrained(folder)
    for source in sorted(Path(modeling_timesenclip.__file__).parent.glob("*_timesenclip.py")):
        shutil.copyfile(source, folder / source.name)
    _edit_json(folder / "config.json", {"auto_map": AUTO_CONFIG | AUTO_MODEL, "custom_pipelines": CUSTOM_PIPELINES})
    _edit_json(folder / "tokenizer_config.json", {"auto_map": AUTO_PROCESSOR})
    _edit_json(
        folder / "processor_config.json",
        {"auto_map": AUTO_PROCESSOR, "feature_extractor": {"auto_map": AUTO_FEATURE_EXTRACTOR}},
    )


def _edit_json(file: Path, entries: dict[str, Any]) -> None:
    """Add entries to a JSON file, those of an inner object to that object."""
    content = json.loads(file.read_text())
    for name, entry in entries.items():
        content[name] = content[name] | entry if isinstance(content.get(name), dict) else entry
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
