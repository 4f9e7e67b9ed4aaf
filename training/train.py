"""Train a tower against photos of the same places: `accelerate launch -m training.train CONFIG.yaml`.

Stages, each kept in the output folder: a small CLIP on simulated photos and captions (unless a CLIP checkpoint is
given), the frozen embeddings of simulated photos (unless a dataset brings its own), the tower against those
embeddings, and the measured results. The tower reads a year of one pixel (`system: timesenclip`) or an image (`system:
senclip`); a smaller one of pixels learns from a trained one instead of photos (`system: student`). The same command
goes on where a stopped run was. Labels and words never reach the tower. Launched by its path, `training/train.py`, the
script does the same from any folder.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

if not __package__:
    # As a script its own folder leads the path, not the one that holds `training`.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from torch import nn
from transformers import CLIPImageProcessor, CLIPModel
from transformers.utils import logging

from timesenclip_hf import DEFAULT_CHECKPOINT, TimeSenCLIPProcessor
from timesenclip_hf.files import first_line, read_json, whole_files, whole_folder, write_json
from timesenclip_hf.files.outputs import check_file
from timesenclip_hf.learning import CrossViewContrastiveLoss, EmbeddingMatchingLoss, MemoryBank
from timesenclip_hf.runtimes.products import use_onednn_matmul
from timesenclip_hf.simulator import simulate
from timesenclip_hf.simulator.captions import write_captions
from timesenclip_hf.simulator.photos.drawing import draw_photos, visit_states
from training.arguments import SYSTEMS, DataArguments, ModelArguments, RunArguments, parse_arguments
from training.batches import TensorRows
from training.checkpoints import Progress, describe_code, open_run, read_progress
from training.clips import CLIP, extract_clip, kind_of
from training.curves import draw_curves
from training.loop import Fit
from training.measure import describe
from training.simulated_rows import embed_photos
from training.small_clip import (
    build_image_processor,
    build_small_clip,
    photo_values,
    sparse_image_features,
    tokenize,
    train_tokenizer,
)
from training.sources import shuffle_photos
from training.students import StudentSystem
from training.systems import ImageSystem, PixelSystem, Setting, System

SYSTEM_CLASSES: dict[str, type[System]] = dict(zip(SYSTEMS, (PixelSystem, ImageSystem, StudentSystem), strict=True))
# Of the points of stage one; those of the others are in `systems`.
PHOTO_SEED = 1
CAPTIONS_STAGE = "captions_and_their_photos"
PLACES = ("output_dir", "results_file", "overwrite")  # where files lie is nothing that was measured


class PhotosAndCaptions(nn.Module):
    """Give the views of stage one: the small CLIP's photos and captions."""

    def __init__(self, clip: CLIPModel, image_processor: CLIPImageProcessor, patch_share: float) -> None:
        super().__init__()
        self.clip = clip
        self.image_processor = image_processor
        self.patch_share = patch_share
        # The objective's own temperature is what is trained.
        clip.logit_scale.requires_grad_(False)

    def forward(
        self, photos: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings of photos (batch, side, side, 3) and of their captions."""
        pixel_values = photo_values(photos, self.image_processor)
        images = sparse_image_features(self.clip, pixel_values, self.patch_share)
        longest = int(attention_mask.sum(dim=1).max())
        texts = self.clip.get_text_features(input_ids[:, :longest], attention_mask[:, :longest]).pooler_output
        return images, texts


class CaptionsAndTheirPhotos(nn.Module):
    """Give the views of the end of stage one: captions, and the frozen embeddings of their photos."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip
        for name, parameter in clip.named_parameters():
            parameter.requires_grad_(name.startswith("text_"))

    def forward(
        self, photo_embeds: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings of captions and of their photos (batch, dim)."""
        longest = int(attention_mask.sum(dim=1).max())
        texts = self.clip.get_text_features(input_ids[:, :longest], attention_mask[:, :longest]).pooler_output
        return texts, photo_embeds


class Run:
    """Run every stage by the settings of one call of this script, in its folder."""

    def __init__(self, data: DataArguments, model: ModelArguments, training: RunArguments) -> None:
        self.data = data
        self.model = model
        self.training = training
        self.output = Path(training.output_dir)
        self.arguments = {**asdict(data), **asdict(model), **asdict(training)}
        self.progress: dict[str, Progress] = {}
        # Of the checkpoint that the run goes on from.
        self.processor: TimeSenCLIPProcessor | None = None

    def new_accelerator(self, stage: str | None = None) -> Accelerator:
        """Build a stage's accelerator: each has its own, because it keeps what it has prepared."""
        training = self.training
        accelerator = Accelerator(
            mixed_precision=training.mixed_precision,
            # Told to, Accelerate joins several processes without a GPU; else each would train alone.
            cpu=training.cpu or not torch.accelerator.is_available(),
            log_with=training.report_to if stage and training.report_to else None,
            project_dir=self.output / "logs",
        )
        if stage and training.report_to:
            known = {name: value for name, value in self.arguments.items() if isinstance(value, int | float | str)}
            accelerator.init_trackers(stage, config=known)
        return accelerator

    def prepare_clip(self) -> str:
        """Return the folder or Hub id of what to align with: the CLIP named, a checkpoint's, a small one, a teacher."""
        if self.model.system == "student":
            return self.model.teacher_name_or_path or DEFAULT_CHECKPOINT
        name = self.model.clip_name_or_path or self.model.model_name_or_path
        if name is None:
            return self.train_clip()
        if kind_of(name) == CLIP:
            return name
        folder = self.output / "clip"
        accelerator = self.new_accelerator()
        with accelerator.main_process_first():
            self.processor = extract_clip(name, folder)
        return str(folder)

    def train_clip(self) -> str:
        """Run stage one; return the folder of the CLIP."""
        data, training, folder = self.data, self.training, self.output / "clip"
        stage = self.output / "photos_and_captions"
        if folder.exists():
            for finished in (stage, self.output / CAPTIONS_STAGE):
                if finished.exists():
                    self.progress[finished.name] = read_progress(finished)
            return str(folder)
        accelerator = self.new_accelerator(stage.name)
        set_seed(training.seed)
        points = simulate(data.photo_points, seed=PHOTO_SEED)
        states = visit_states(points.ground)
        main = accelerator.is_main_process
        photos = draw_photos(points.class_index, states, seed=PHOTO_SEED, workers=data.workers, progress=main)
        captions = [text for visits in write_captions(points.class_index, states, seed=PHOTO_SEED) for text in visits]
        tokenizer = train_tokenizer(captions)
        clip = build_small_clip(tokenizer)
        image_processor = build_image_processor(clip)
        tokens = tokenize(tokenizer, captions)
        rows = TensorRows(None, photos=torch.from_numpy(photos.reshape(-1, *photos.shape[2:])), **tokens)
        objective = CrossViewContrastiveLoss(bidirectional=True)
        self.progress[stage.name] = Fit(
            accelerator,
            PhotosAndCaptions(clip, image_processor, training.clip_patch_share),
            objective,
            rows,
            training.clip_stage(),
            folder=stage,
            description="photos and captions",
        ).run()
        clip.to("cpu")
        with torch.no_grad():
            clip.logit_scale.copy_(objective.logit_scale)
        finish_stage(accelerator)
        if training.clip_text_steps:
            photo_embeds = embed_photos(photos, clip.to(accelerator.device).eval(), image_processor).flatten(0, 1)
            self.match_captions(clip, TensorRows(None, photo_embeds=photo_embeds, **tokens))
        if main:
            with whole_folder(folder) as partial:
                for part in (clip, tokenizer, image_processor):
                    part.save_pretrained(partial)
        accelerator.wait_for_everyone()
        return str(folder)

    def match_captions(self, clip: CLIPModel, rows: TensorRows) -> None:
        """Let the text tower say the mean embedding of what a caption may be of.

        Contrast alone leaves words in directions that no photo has. Photos tell words apart all the same; series, which
        are like several photos at once where they cannot tell covers apart, do not.
        """
        stage = self.output / CAPTIONS_STAGE
        accelerator = self.new_accelerator(stage.name)
        self.progress[stage.name] = Fit(
            accelerator,
            CaptionsAndTheirPhotos(clip),
            EmbeddingMatchingLoss(),
            rows,
            self.training.text_stage(),
            folder=stage,
            description="captions",
        ).run()
        clip.to("cpu")
        finish_stage(accelerator)

    def train_system(self, clip_folder: str) -> System:
        """Run stage two; return the finished system, with the temperature that it learned, if it did."""
        training, kind = self.training, SYSTEM_CLASSES[self.model.system]
        stage = self.output / kind.stage
        accelerator = self.new_accelerator(stage.name)
        clip = kind.read_clip(clip_folder).to(accelerator.device)
        setting = Setting(self.data, self.model, training, accelerator, clip, clip_folder)
        system = kind(setting, self.processor)
        source = system.read(held_out=False)
        if self.data.shuffle_photos:
            source = shuffle_photos(source, training.seed)
        evaluate = system.validation() if training.eval_steps else None
        objective = system.objective()
        bank = MemoryBank(training.memory_bank_size, clip.config.projection_dim) if training.memory_bank_size else None
        self.progress[stage.name] = Fit(
            accelerator,
            system.views,
            objective,
            source.rows,
            training.tower_stage(len(source.rows)),
            folder=stage,
            description=system.description,
            augment=system.augment,
            evaluate=evaluate,
            bank=bank,
        ).run()
        system.finish(objective, source.rows)
        accelerator.wait_for_everyone()
        finish_stage(accelerator)
        return system

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was asked for, without where it goes."""
        return {name: value for name, value in self.arguments.items() if name not in PLACES}

    def results_file(self) -> Path:
        """Return where the results go.

        Raises:
            OSError: they cannot be written there, or those of another run are, not to be replaced.
        """
        file = Path(self.training.results_file or self.output / "results.json")
        replaced = self.training.results_file is None or self.training.overwrite or self._wrote(file)
        return check_file(file, overwrite=replaced)

    def _wrote(self, file: Path) -> bool:
        """Tell whether a file holds the results of a run of the same settings."""
        try:
            return bool(read_json(file)["arguments"] == json.loads(json.dumps(self.settings)))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def push(self) -> None:
        """Push the checkpoint to the Hub, in one commit.

        Raises:
            OSError: the Hub refused it; it stays in the output folder.
        """
        api, name = HfApi(), str(self.training.hub_model_id)
        try:
            api.create_repo(name, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=self.output / "model", commit_message="Trained model")
        except HfHubHTTPError as error:
            raise OSError(
                f"The model could not be pushed to {name} ({first_line(error)}); it is in {self.output / 'model'}."
            ) from None

    def write(self, system: System) -> None:
        """Write the checkpoint, its settings beside it, and what was measured."""
        folder, settings = self.output / "model", self.settings
        reports = system.measure() if self.data.dataset_name_or_path is None else {}
        seconds = sum(progress.seconds for progress in self.progress.values())
        results = {
            "arguments": settings,
            "code": describe_code(),
            "zero_shot": reports,
            "minutes": round(seconds / 60, 1),
            "loading_share": {
                stage: round(progress.loading_seconds / max(progress.seconds, 1e-9), 5)
                for stage, progress in self.progress.items()
            },
            "curves": {stage: progress.curve for stage, progress in self.progress.items()},
            "evaluations": {stage: progress.evaluations for stage, progress in self.progress.items()},
            "best": {stage: progress.best for stage, progress in self.progress.items()},
            "stopped": {stage: progress.stopped for stage, progress in self.progress.items()},
        }
        with whole_files(folder, overwrite=True) as partial:
            system.save(partial)
            write_json(partial / "training_arguments.json", {"arguments": settings, "code": results["code"]})
        write_json(self.results_file(), results)
        try:
            draw_curves(results, self.output, overwrite=True)
        except ImportError as error:
            print(f"The curves were not drawn. {error}")
        for suite, report in reports.items():
            print(describe(suite, report))


def finish_stage(accelerator: Accelerator) -> None:
    """End a stage's trackers and let go of what was prepared.

    `end_training` would also end the processes' common work; and gloo may wait for ever when that ends while a
    `DistributedDataParallel` is still alive.
    """
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.free_memory()


def main() -> None:
    """Run every stage and write the checkpoint and its results."""
    logging.set_verbosity_error()  # what transformers says of every checkpoint that is read
    try:
        run = Run(*parse_arguments())
        accelerator = run.new_accelerator()
        if accelerator.device.type == "cpu":
            use_onednn_matmul()
        run.results_file()  # refused here, not after hours
        lock = open_run(run.output, run.arguments) if accelerator.is_main_process else None
        if run.training.push_to_hub and accelerator.is_main_process:
            check_hub()
        accelerator.wait_for_everyone()
        system = run.train_system(run.prepare_clip())
        if accelerator.is_main_process:
            run.write(system)
            if run.training.push_to_hub:
                run.push()
        accelerator.wait_for_everyone()
        if lock is not None:
            lock.release()
        accelerator.end_training()
    except (ValueError, OSError, FloatingPointError) as error:
        raise SystemExit(f"error: {first_line(error)}.") from None


def check_hub() -> None:
    """Find out before training, not after it, that nobody is logged in.

    Raises:
        ValueError: there is no valid token.
    """
    try:
        HfApi().whoami()
    except (LocalTokenNotFoundError, HfHubHTTPError, OSError) as error:
        raise ValueError(
            f"`push_to_hub` needs a valid token ({first_line(error)}): log in with `hf auth login`, or set HF_TOKEN."
        ) from None


if __name__ == "__main__":
    main()
