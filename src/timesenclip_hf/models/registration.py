"""Register the models with transformers' Auto classes and the task with its pipelines."""

import logging

from transformers import AutoConfig, AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoProcessor
from transformers.pipelines import PIPELINE_REGISTRY

from .senclip.configuration_senclip import SenCLIPConfig
from .senclip.image_processing_senclip import SenCLIPImageProcessor
from .senclip.modeling_senclip import SenCLIPModel
from .timesenclip.configuration_timesenclip import TimeSenCLIPConfig, TimeSenCLIPPixelConfig
from .timesenclip.feature_extraction_timesenclip import TimeSenCLIPFeatureExtractor
from .timesenclip.modeling_timesenclip import TimeSenCLIPModel
from .timesenclip.pipeline_timesenclip import TASK, ZeroShotPixelClassificationPipeline
from .timesenclip.pixel_tower_timesenclip import TimeSenCLIPPixelModel
from .timesenclip.processing_timesenclip import TimeSenCLIPProcessor


def register() -> None:
    """Register models, processors and task, once in a process; transformers' own classes find them from then on.

    What uses those classes inside the package calls this first, because a command imports the package without it.
    """
    from .. import DEFAULT_CHECKPOINT

    if TASK in PIPELINE_REGISTRY.supported_tasks:
        return
    AutoConfig.register(TimeSenCLIPPixelConfig.model_type, TimeSenCLIPPixelConfig, exist_ok=True)
    AutoConfig.register(TimeSenCLIPConfig.model_type, TimeSenCLIPConfig, exist_ok=True)
    AutoModel.register(TimeSenCLIPPixelConfig, TimeSenCLIPPixelModel, exist_ok=True)
    AutoModel.register(TimeSenCLIPConfig, TimeSenCLIPModel, exist_ok=True)
    AutoFeatureExtractor.register(TimeSenCLIPConfig, TimeSenCLIPFeatureExtractor, exist_ok=True)
    AutoProcessor.register(TimeSenCLIPConfig, TimeSenCLIPProcessor, exist_ok=True)
    AutoConfig.register(SenCLIPConfig.model_type, SenCLIPConfig, exist_ok=True)
    AutoModel.register(SenCLIPConfig, SenCLIPModel, exist_ok=True)
    AutoImageProcessor.register(SenCLIPConfig, image_processor_classes={"pil": SenCLIPImageProcessor}, exist_ok=True)
    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=ZeroShotPixelClassificationPipeline,
        pt_model=AutoModel,
        default={"model": (DEFAULT_CHECKPOINT, None)},
        type="multimodal",
    )
    # A default inside the package is no download of a revision that nobody chose, which transformers warns of.
    told = f"No model was supplied, defaulted to {DEFAULT_CHECKPOINT} "
    logging.getLogger("transformers.pipelines").addFilter(lambda record: not record.getMessage().startswith(told))
