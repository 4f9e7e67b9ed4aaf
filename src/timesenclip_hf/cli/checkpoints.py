"""Run `timesenclip convert` and `timesenclip export`: checkpoints from and to other formats."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .options import Model, Overwrite, model_of, names_of


def convert(
    checkpoint: Annotated[str, typer.Argument(help="Upstream .ckpt or .pt: a file, or user/repo[:file] on the Hub.")],
    clip: Annotated[str, typer.Option(help="Folder or Hub id of the CLIP checkpoint: text tower and tokenizer.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    band_order: Annotated[
        str | None, typer.Option(help="TimeSenCLIP: bands of the encoder's input in order, with commas.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option(help="TimeSenCLIP: attention heads, where the file does not tell; 8 in the release.")
    ] = None,
    vision_tower: Annotated[bool, typer.Option(help="TimeSenCLIP: keep CLIP's vision tower for ground photos.")] = True,
    revision: Annotated[str | None, typer.Option(help="Of the Hub repository.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert an upstream TimeSenCLIP or SenCLIP checkpoint, told by its keys, and say what became of every key."""
    from ..conversion import convert as convert_checkpoint

    sizes: dict[str, Any] = {"band_order": names_of(band_order), "num_attention_heads": heads}
    sizes |= {"vision_tower": vision_tower, "revision": revision}
    report = convert_checkpoint(checkpoint, clip, output, **sizes, overwrite=overwrite)
    typer.echo(str(report))


def export(
    output: Annotated[Path, typer.Option(help="File to write, FILE.onnx.")],
    model: Model = None,
    quantize: Annotated[Literal["int8"] | None, typer.Option(help="int8, or float32 when left out.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="CSV, Parquet or NPZ of series for int8; simulated ones when left out.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the pixel tower as ONNX for ONNX Runtime and OpenVINO, held against PyTorch."""
    from ..classification import load_pipeline
    from ..data.sources.tables import read_table
    from ..files.outputs import check_file
    from ..runtimes.exported import export_tower

    check_file(output, overwrite=overwrite, inputs=[] if calibration is None else [calibration])
    loaded = load_pipeline(model_of(model), None)
    extractor = loaded.processor.feature_extractor
    series = None if calibration is None else read_table(calibration).series
    settings: dict[str, Any] = {"quantize": quantize, "calibration": series, "overwrite": overwrite}
    typer.echo(str(export_tower(loaded.model, extractor, output, **settings)))
