"""Name land cover in words and read it from a year of Sentinel-2 at one pixel.

Importing registers the models with transformers' Auto classes and the task "zero-shot-pixel-classification" with
its pipelines; nothing else happens.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The checkpoint inside the package, a small model trained on simulations: what the pipeline uses when no model
# is named, and what every example runs on without a network.
DEFAULT_CHECKPOINT = str(Path(__file__).parent / "checkpoints" / "timesenclip-simulated")

# The command registers, and imports these, when it needs them.
if TYPE_CHECKING or "timesenclip_command" not in sys.modules:
    from .models.registration import register
    from .models.senclip.configuration_senclip import SenCLIPConfig
    from .models.senclip.image_processing_senclip import SenCLIPImageProcessor
    from .models.senclip.modeling_senclip import SenCLIPModel, SenCLIPOutput
    from .models.timesenclip.configuration_timesenclip import TimeSenCLIPConfig, TimeSenCLIPPixelConfig
    from .models.timesenclip.encoding_timesenclip import encode
    from .models.timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
    from .models.timesenclip.label_set_timesenclip import LabelSet
    from .models.timesenclip.modeling_timesenclip import TimeSenCLIPModel, TimeSenCLIPOutput
    from .models.timesenclip.options_timesenclip import SeriesOptions
    from .models.timesenclip.pipeline_timesenclip import ZeroShotPixelClassificationPipeline
    from .models.timesenclip.pixel_tower_timesenclip import TimeSenCLIPPixelModel
    from .models.timesenclip.processing_timesenclip import TimeSenCLIPProcessor
    from .runtimes.options import ComputeOptions

    register()

__all__ = [
    "DEFAULT_CHECKPOINT",
    "ComputeOptions",
    "Examples",
    "LabelSet",
    "SenCLIPConfig",
    "SenCLIPImageProcessor",
    "SenCLIPModel",
    "SenCLIPOutput",
    "SeriesOptions",
    "TimeSenCLIPConfig",
    "TimeSenCLIPFeatureExtractor",
    "TimeSenCLIPModel",
    "TimeSenCLIPOutput",
    "TimeSenCLIPPixelConfig",
    "TimeSenCLIPPixelModel",
    "TimeSenCLIPProcessor",
    "ZeroShotPixelClassificationPipeline",
    "classify_dataframe",
    "classify_parcels",
    "encode",
    "fit_labels",
    "read_label_set",
    "write_label_set",
]

# Modules of names that a pipeline does without, and some of which need more than the base install.
_MODULES = {
    "Examples": "labelling.examples",
    "classify_dataframe": "labelling.dataframes",
    "classify_parcels": "parcels.classification",
    "fit_labels": "labelling.fit_labels",
    "read_label_set": "labelling.label_set_files",
    "write_label_set": "labelling.label_set_files",
}


def __getattr__(name: str) -> Any:
    """Import the module of a public name that is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
