"""Embed ground photos with a frozen CLIP, once for every training run.

`accelerate launch -m training.embed_photos --photos FOLDER --clip CLIP --output FOLDER`. Run again after an
interruption, it goes on with the shards that are missing. Two processes without a GPU:
`torchrun --nproc-per-node 2 -m training.embed_photos ... --cpu`.
"""

from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from transformers import HfArgumentParser
from transformers.utils import logging

from timesenclip_hf.data.photos.embedding import SHARD_SIZE, PhotoEncoder, embed_photos
from timesenclip_hf.data.photos.embedding_shards import finish_embeddings


@dataclass
class EmbedArguments:
    """Say what to embed, with what, and where to."""

    photos: str = field(metadata={"help": "folder of photos in the survey's layout"})
    clip: str = field(metadata={"help": "folder or Hub id of any CLIP checkpoint"})
    output: str = field(metadata={"help": "folder of the Parquet shards"})
    batch_size: int = field(default=64, metadata={"help": "photos at a time, in each process"})
    dtype: str = field(default="float32", metadata={"help": "to compute in: float32, bfloat16 or float16"})
    shard_size: int = field(default=SHARD_SIZE, metadata={"help": "photos of a shard"})
    workers: int = field(default=2, metadata={"help": "reading processes of each process; 0 for none"})
    cpu: bool = field(default=False, metadata={"help": "leave the GPU alone"})


def main() -> None:
    """Embed this process's shards; the first process reports when all are through."""
    (arguments,) = HfArgumentParser(EmbedArguments).parse_args_into_dataclasses()
    logging.set_verbosity_error()
    accelerator = Accelerator(cpu=arguments.cpu or not torch.cuda.is_available())
    try:
        embed_photos(
            arguments.photos,
            arguments.output,
            PhotoEncoder(arguments.clip, dtype=arguments.dtype, device=accelerator.device),
            batch_size=arguments.batch_size,
            shard_size=arguments.shard_size,
            workers=arguments.workers,
            share=(accelerator.process_index, accelerator.num_processes),
            progress=accelerator.is_main_process,
        )
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            print(finish_embeddings(arguments.output))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    # Without this a gloo process sometimes aborts at exit, after its work is done.
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main()
