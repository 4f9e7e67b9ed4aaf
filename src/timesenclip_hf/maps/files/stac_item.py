"""Describe a map and the model that made it in a STAC item."""

import json
import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import needs_extra
from ...models.timesenclip.bands_timesenclip import BANDS
from ...models.timesenclip.compositing_timesenclip import MONTHS_PER_YEAR
from ...words import on_one_line
from ..cubes.grids import grid_of
from .geotiff import SCORES, scale_and_offset
from .legend import NO_CLASS, facts_of, legend_of, period_of
from .outline import outline

with needs_extra("map"):
    import pystac
    import xarray as xr
    from pystac.extensions import mlm
    from pystac.extensions.classification import Classification, ClassificationExtension
    from pystac.extensions.projection import ProjectionExtension
    from pystac.extensions.raster import DataType, RasterBand, RasterExtension

ASSETS = {
    "_scores.tif": ("scores", "Probability, entropy, margin, clear months", pystac.MediaType.COG, "data"),
    "_coarse.tif": ("coarse", "Coarse classes", pystac.MediaType.COG, "data"),
    "_embeddings.zarr": ("embeddings", "Embeddings", pystac.MediaType.ZARR, "data"),
    ".png": ("overview", "Picture with legend", pystac.MediaType.PNG, "overview"),
}
# What the models' authors ask to cite.
PAPER = "https://arxiv.org/abs/2508.11919"
HUB = "https://huggingface.co/"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
INPUT_DESCRIPTION = "Monthly medians of clear Sentinel-2 L2A acquisitions; months without one are masked."


def write_item(mapped: xr.Dataset, output: Path, counts: np.ndarray) -> None:
    """Write the item of a map beside `output`, the GeoTIFF of its classes, with what else lies there as its assets.

    The layers are not read: `counts` (256,) are the pixels of each code.
    """
    period, now = period_of(mapped), datetime.now(UTC)
    geometry, bbox = outline(mapped)
    item = pystac.Item(
        id=output.stem,
        geometry=geometry,
        bbox=bbox,
        # A map of months only belongs to no year: the item tells when it was made.
        datetime=None if period else now,
        start_datetime=datetime.combine(period[1], time.min, UTC) if period else None,
        end_datetime=datetime.combine(period[2], time(23, 59, 59), UTC) if period else None,
        properties={
            "title": f"Land cover {period[0] if period else ''}".strip(),
            "created": pystac.utils.datetime_to_str(now),
        },
    )
    facts = facts_of(mapped)
    told = ("caveat", "unknown_words", "failed_chunks")
    item.properties.update({f"timesenclip:{name}": facts[name] for name in told if name in facts})
    item.add_link(pystac.Link("cite-as", PAPER, "text/html"))
    _add_assets(item, mapped, output, counts)
    crs = mapped.rio.crs
    authority = crs.to_authority()
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=":".join(authority) if authority else None,
        wkt2=None if authority else crs.to_wkt(version="WKT2_2019"),
        shape=[mapped.sizes["y"], mapped.sizes["x"]],
        transform=list(grid_of(mapped).transform)[:6],
    )
    _add_model(item, mapped)
    text = json.dumps(item.to_dict(include_self_link=False), indent=1)
    # Not `map.json`: class names or groups may lie there.
    output.with_name(f"{output.stem}_stac.json").write_text(text + "\n", encoding="utf-8")


def _add_assets(item: pystac.Item, mapped: xr.Dataset, output: Path, counts: np.ndarray) -> None:
    classes = pystac.Asset(f"./{output.name}", "Classes", media_type=pystac.MediaType.COG, roles=["data"])
    item.add_asset("classes", classes)
    ClassificationExtension.ext(classes, add_if_missing=True).apply(classes=_classes(mapped, counts))
    RasterExtension.ext(classes, add_if_missing=True).apply([RasterBand.create(NO_CLASS, data_type=DataType.UINT8)])
    for ending, (key, title, media_type, role) in ASSETS.items():
        path = output.with_name(f"{output.stem}{ending}")
        if path.exists():
            item.add_asset(key, pystac.Asset(f"./{path.name}", title, media_type=media_type, roles=[role]))
    if "scores" in item.assets:
        bands = []
        for name in (name for name in SCORES if name in mapped):
            scale, offset = scale_and_offset(name)
            bands.append(RasterBand.create(nodata=NO_CLASS, data_type=DataType.UINT8, scale=scale, offset=offset))
            bands[-1].properties["name"] = name
        RasterExtension.ext(item.assets["scores"]).apply(bands)


def _classes(mapped: xr.Dataset, counts: np.ndarray) -> list[Classification]:
    total = int(counts.sum())
    entries = [(entry.code, entry.label, entry.hex_colour[1:].upper()) for entry in legend_of(mapped)]
    return [
        Classification.create(
            value=code,
            # The extension allows these characters; the label itself is the title.
            name=re.sub(r"[^0-9A-Za-z_-]+", "_", label).strip("_") or f"class_{code}",
            title=label,
            description=label,
            color_hint=colour,
            nodata=True if code == NO_CLASS else None,
            count=int(counts[code]),
            percentage=round(100 * int(counts[code]) / total, 4),
        )
        for code, label, colour in [(NO_CLASS, "no data", None), *entries]
    ]


def _add_model(item: pystac.Item, mapped: xr.Dataset) -> None:
    """Fill the Machine Learning Model extension: what the model reads and returns, and where it is."""
    name = str(mapped.attrs.get("model", "timesenclip"))
    bands, labels = list(mapped.attrs.get("model_bands", BANDS)), list(map(on_one_line, mapped.attrs["labels"]))
    classes = [Classification.create(index, label, f"class_{index}", label) for index, label in enumerate(labels)]
    elsewhere = ("year", "season", "model", "failed_chunks", "caveat", "unknown_words")
    settings = {name: fact for name, fact in facts_of(mapped).items() if name not in elsewhere}
    series = mlm.InputStructure.create(
        shape=[-1, MONTHS_PER_YEAR, len(bands)], dim_order=["batch", "time", "bands"], data_type=DataType.FLOAT32
    )
    probabilities = mlm.ResultStructure.create(
        shape=[-1, len(labels)], dim_order=["batch", "class"], data_type=DataType.FLOAT32
    )
    # The last part of the name, in the characters that the extension allows.
    plain = re.sub(r"[^0-9A-Za-z_.-]+", "-", name.rstrip("/").split("/")[-1]).strip("-_.")
    tasks = [mlm.TaskType.CLASSIFICATION]
    mlm.MLMExtension.ext(item, add_if_missing=True).apply(
        name=plain if re.fullmatch(r"[A-Za-z].+[A-Za-z0-9]", plain) else "TimeSenCLIP",
        architecture="TimeSenCLIP",
        tasks=tasks,
        framework="PyTorch",
        input=[
            mlm.ModelInput.create("a year of reflectance at one pixel", bands, series, description=INPUT_DESCRIPTION)
        ],
        output=[mlm.ModelOutput.create("probabilities of the class names", tasks, probabilities, classes=classes)],
        hyperparameters=mlm.Hyperparameters(settings) if settings else None,
    )
    address = f"{HUB}{name}" if HUB_ID.fullmatch(name) and not Path(name).exists() else name
    extra: dict[str, Any] = {
        "mlm:artifact_type": "safetensors.torch.save_file",
        "raster:bands": [{"name": band} for band in bands],
    }
    item.add_asset("model", pystac.Asset(address, name, roles=["mlm:model"], extra_fields=extra))
