"""Words to places: points embedded once, searched exactly with FAISS, bound to the checkpoint that embedded them.

The folder of an index is a dataset that `load_dataset` reads (id, year, place, links to photos, embedding), with its
FAISS index and, written last, `index.json`: which checkpoint made it. It is built as every import is: in parts, each
written whole or not at all, so that what was stopped goes on where it was; without `index.json` it is no index.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .data.collate import iterate_inputs
from .data.engine.content import content_hash
from .data.engine.reports import ImportReport, Problem
from .data.engine.shards import WORK_FOLDER, ImportPart, import_parts
from .data.sources.arrays import NO_CLEAR_LOOK
from .extras import needs_extra
from .files import first_line, weights_hash, write_json
from .models.timesenclip.encoding_timesenclip import encode
from .models.timesenclip.zero_shot_timesenclip import embed_labels, unknown_words

with needs_extra("eval"):
    import faiss
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from datasets import Dataset, Features, List, Value
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

INDEX_FILE, FAISS_FILE = "index.json", "embedding.faiss"
COLUMNS = ("point_id", "year", "longitude", "latitude", "photos")
# Points of a part: some seconds of work, which is what stopping costs.
PART_SIZE = 4_096
Hit = dict[str, Any]


def build_index(
    dataset: Dataset,
    output: str | os.PathLike[str],
    model: Any,
    processor: Any,
    *,
    batch_size: int | None = None,
    progress: bool = True,
) -> ImportReport:
    """Embeds the points of a dataset and writes their index, or goes on where an earlier call was ended.

    Args:
        dataset: of the schema, composites of one length; `year` and `photos` may be absent.
        output: folder to write.
        model: [`TimeSenCLIPModel`], whose words shall find the points.
        processor: the model's.
        batch_size: series that the encoder takes at once; what suits it and the machine when left out.
        progress: show a bar.

    Returns:
        What became of the points; those without a clear look are left out.

    Raises:
        ValueError: no points, no coordinates, a missing column, an embedding that is not finite, or a folder that
            holds the index of another dataset or checkpoint.
    """
    _check_points(dataset)
    folder, size = Path(output), int(model.config.projection_dim)
    identity = {"kind": "search index", "weights": _searching_weights(model), "points": _content(dataset)}
    starts = range(0, len(dataset), PART_SIZE)
    parts = [
        ImportPart((start, min(start + PART_SIZE, len(dataset))), min(PART_SIZE, len(dataset) - start))
        for start in starts
    ]
    read = partial(_embed_rows, dataset, model, processor.feature_extractor, batch_size)
    # One process: the encoder uses all cores as it is.
    report = import_parts(folder, parts, read, _features(size), identity=identity, workers=1, progress=progress)
    if not (folder / INDEX_FILE).exists():
        _write_faiss(folder, progress)
        record = {
            "model": _name_of(model),
            "weights_hash": identity["weights"],
            "embedding_size": size,
            "points": report.rows,
            "content_hash": report.content_hash,
            "package_version": version("timesenclip_hf"),
        }
        write_json(folder / INDEX_FILE, record)
    return report


@dataclass(frozen=True)
class SearchIndex:
    """Points that words find.

    Attributes:
        points: the rows but for their embeddings, with the FAISS index "embedding".
        model: what embeds words.
        processor: the model's.
    """

    points: Dataset
    model: Any
    processor: Any

    @classmethod
    def load(cls, folder: str | os.PathLike[str], model: Any, processor: Any) -> "SearchIndex":
        """Reads an index, if this checkpoint made it.

        Raises:
            FileNotFoundError: the folder has no index, or one that is not finished.
            ValueError: another checkpoint made the index, it holds no points, or its files do not fit.
        """
        folder = Path(folder)
        record = _read_record(folder)
        weights = _searching_weights(model)
        if record["weights_hash"] != weights:
            raise ValueError(
                f"The index in {folder} was built by another checkpoint, {record['model']} (weights "
                f"{record['weights_hash']}), not by {_name_of(model)} ({weights}): search with that one, or build an "
                "index with this one."
            )
        if not record["points"]:
            raise ValueError(f"The index in {folder} holds no points: build it again.")
        try:
            # Without the embeddings, which FAISS holds, the rows are small: no copy in the cache of `datasets`.
            points = Dataset(pq.read_table(_files(folder), columns=list(COLUMNS)))
            points.load_faiss_index("embedding", folder / FAISS_FILE)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError is FAISS's
            raise ValueError(
                f"The index in {folder} is damaged or incomplete ({first_line(error)}): delete it and build it again."
            ) from None
        return cls(points, model, processor)

    def search(
        self,
        query: str | Sequence[str],
        *,
        top_k: int = 10,
        hypothesis_template: str | Sequence[str] | None = None,
    ) -> list[Hit]:
        """The points that are nearest to words.

        Args:
            query: what to look for, or several phrases for the same, whose embeddings are averaged.
            top_k: points to return, fewer where the index has fewer.
            hypothesis_template: that the query goes into; the checkpoint's own when left out.

        Returns:
            The nearest first: `rank`, `score` (cosine), `point_id`, `year`, `longitude`, `latitude` (WGS84 degrees,
            `None` where not known) and `photos`, each with `direction`, `link` (address or path) and `licence`.

        Raises:
            ValueError: a query without words, or without any that the checkpoint ever read; `top_k` below 1.
        """
        phrases = [query] if isinstance(query, str) else list(query)
        _check_words(phrases, self.processor.known_words)
        _, embeds = embed_labels(self.model, self.processor, {" ".join(phrases): phrases}, hypothesis_template)
        return self.nearest(embeds[0], top_k=top_k)

    def nearest(self, embed: torch.Tensor | np.ndarray, *, top_k: int = 10) -> list[Hit]:
        """The points that are nearest to an embedding (projection_dim,), of a series or a photo for example.

        Raises:
            ValueError: an embedding of another size, or not finite; `top_k` below 1.
        """
        if top_k < 1:
            raise ValueError(f"`top_k` must be at least 1, got {top_k}.")
        vector = torch.nn.functional.normalize(torch.as_tensor(embed).detach().float().cpu(), dim=-1).numpy()
        size = self.points.get_index("embedding").faiss_index.d
        if vector.shape != (size,) or not np.isfinite(vector).all():
            raise ValueError(f"An embedding must be {size} finite numbers, got {vector.shape}.")
        scores, rows = self.points.get_nearest_examples("embedding", vector, k=min(top_k, len(self.points)))
        hits = zip(scores.tolist(), *(rows[name] for name in COLUMNS), strict=True)
        return [
            {"rank": rank, "score": score} | dict(zip(COLUMNS, map(_known, values), strict=True))
            for rank, (score, *values) in enumerate(hits, start=1)
        ]


def as_geojson(hits: Sequence[Hit]) -> dict[str, Any]:
    """Hits as a FeatureCollection (RFC 7946), which every GIS opens; a point of unknown place has no geometry."""
    return {"type": "FeatureCollection", "features": [_as_feature(hit) for hit in hits]}


def as_table(hits: Sequence[Hit]) -> str:
    """Hits as lines for people, the links to the photos at their ends."""
    width = max(len("point"), *(len(hit["point_id"]) for hit in hits))
    lines = [f"rank  score  longitude  latitude  year  {'point':<{width}}  photos"]
    for hit in hits:
        places = [(hit[name], len(name)) for name in ("longitude", "latitude")]
        place = "  ".join(f"{'-' if value is None else f'{value:.5f}':>{size}}" for value, size in places)
        links = " ".join(photo["link"] for photo in hit["photos"] if photo["link"]) or "-"
        year = "-" if hit["year"] is None else hit["year"]
        lines.append(f"{hit['rank']:>4}  {hit['score']:.3f}  {place}  {year:>4}  {hit['point_id']:<{width}}  {links}")
    return "\n".join(lines)


def _as_feature(hit: Hit) -> dict[str, Any]:
    place = (hit["longitude"], hit["latitude"])
    geometry = None if None in place else {"type": "Point", "coordinates": list(place)}
    properties = {name: value for name, value in hit.items() if name not in ("longitude", "latitude")}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _check_words(phrases: Sequence[str], known_words: Sequence[str] | None) -> None:
    """Refuses a query of which the checkpoint knows no word; single unknown ones are warned of when embedded."""
    words = unknown_words(phrases, ())
    if not words:
        raise ValueError(f"The query {' '.join(phrases)!r} has no words: say what to look for, such as 'rice paddies'.")
    strange = unknown_words(phrases, known_words) if known_words else {}
    if len(strange) == len(words):
        nearest = dict.fromkeys(word for found in strange.values() for word in found)
        hint = f"the nearest it knows: {', '.join(nearest)}" if nearest else "it knows none that is similar"
        raise ValueError(
            f"No word of {' '.join(phrases)!r} occurs in this checkpoint's training captions, so it would find points "
            f"at random; {hint}."
        )


def _check_points(dataset: Dataset) -> None:
    if not len(dataset):
        raise ValueError("The dataset is empty: there are no points to search.")
    absent = next((name for name in ("point_id", "longitude", "latitude") if name not in dataset.column_names), None)
    if absent is not None:
        raise ValueError(
            f"The dataset has no column {absent!r}, but {', '.join(dataset.column_names)}: a search returns places."
        )
    table = dataset.select_columns(["longitude", "latitude"]).with_format("arrow")[:]
    places = np.stack([table[name].to_numpy().astype(np.float64) for name in table.column_names])
    if np.isnan(places).any(axis=0).all():
        raise ValueError("No point has coordinates: import them with longitude and latitude, a search returns places.")


def _embed_rows(
    dataset: Dataset, model: Any, extractor: Any, batch_size: int | None, task: tuple[int, int]
) -> Iterator[pa.Table | Problem]:
    """The points of a part with their embeddings; those without a clear look as problems."""
    rows = dataset.select(range(*task))
    inputs = next(iterate_inputs(rows, extractor, batch_size=len(rows)))
    described = _describe(rows.with_format("arrow")[:])
    seen = inputs["series_mask"].any(dim=1)
    ids = described["point_id"].to_pylist()
    yield from (Problem(NO_CLEAR_LOOK, point) for point, clear in zip(ids, seen.tolist(), strict=True) if not clear)
    embeds = encode(model, {name: values[seen] for name, values in inputs.items()}, batch_size=batch_size).numpy()
    described = described.filter(pa.array(seen.numpy()))
    wrong = ~np.isfinite(embeds).all(axis=1)
    if wrong.any():
        point = described["point_id"][int(wrong.argmax())]
        raise ValueError(
            f"The embedding of the point {point} is not finite: the weights of the checkpoint are damaged."
        )
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeds.reshape(-1)), embeds.shape[1])
    schema = _features(embeds.shape[1]).arrow_schema
    yield pa.table({**{name: described[name] for name in COLUMNS}, "embedding": vectors}, schema=schema)


def _describe(table: pa.Table) -> pa.Table:
    """`COLUMNS` of a batch, in their types; years and photos that it lacks are empty."""
    types = {name: field.type for name, field in zip(COLUMNS, _features(1).arrow_schema, strict=False)}
    columns = {name: table[name].cast(types[name]) for name in COLUMNS[:-1] if name in table.column_names}
    columns.setdefault("year", pa.nulls(len(table), types["year"]))
    if "photos" in table.column_names:
        # Chunk by chunk: photos that a dataset holds as bytes must not be copied.
        photos = pa.chunked_array([_links(chunk) for chunk in table["photos"].chunks], types["photos"])
    else:
        photos = pa.array([[]] * len(table), types["photos"])
    return pa.table({**{name: columns[name] for name in COLUMNS[:-1]}, "photos": photos})


def _links(photos: pa.ListArray) -> pa.ListArray:
    """Direction, link and licence of each photo; the link is its address, or the path of a file that is not copied."""
    flat = photos.flatten()
    image, address = flat.field("image"), flat.field("url")
    path = pc.if_else(pc.is_null(pc.struct_field(image, "bytes")), pc.struct_field(image, "path"), None)
    link = pc.coalesce(pc.if_else(pc.equal(address, ""), None, address), path)
    entries = pa.StructArray.from_arrays(
        [flat.field("direction"), link, flat.field("licence")], ["direction", "link", "licence"]
    )
    lengths = photos.value_lengths().fill_null(0).to_numpy()
    return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), entries)


def _features(size: int) -> Features:
    photo = {"direction": Value("string"), "link": Value("string"), "licence": Value("string")}
    places = {name: Value("float64") for name in ("longitude", "latitude")}
    return Features(
        {
            "point_id": Value("string"),
            "year": Value("int32"),
            **places,
            "photos": List(photo),
            "embedding": List(Value("float32"), length=size),
        }
    )


def _content(dataset: Dataset) -> str:
    """A hash of what the index is made from: the same points go on, others do not."""

    def tables() -> Iterator[pa.Table]:
        for table in dataset.with_format("arrow").iter(PART_SIZE):
            described = _describe(table)
            for name in ("series", "observed", "months"):
                if name in table.column_names:
                    described = described.append_column(name, table[name])
            yield described

    return content_hash(tables())


def _write_faiss(folder: Path, progress: bool) -> None:
    # The work folder of imports, which the next call clears where this one is ended.
    work = folder / WORK_FOLDER
    with _progress_bars(progress):
        points = Dataset.from_parquet(_files(folder), columns=["embedding"], cache_dir=str(work))
        points.add_faiss_index("embedding", metric_type=faiss.METRIC_INNER_PRODUCT)
        points.save_faiss_index("embedding", work / FAISS_FILE)
    (work / FAISS_FILE).replace(folder / FAISS_FILE)
    shutil.rmtree(work)


def _files(folder: Path) -> list[str]:
    return sorted(str(file) for file in folder.glob("data/*.parquet"))


def _read_record(folder: Path) -> Mapping[str, Any]:
    file = folder / INDEX_FILE
    if not file.exists():
        started = folder.is_dir() and any(folder.iterdir())
        reason = "is not finished, or is no index: run the same command again" if started else "does not exist"
        raise FileNotFoundError(
            f"The index in {folder} {reason}; `timesenclip index DATASET --output {folder}` builds one."
        )
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if {"model", "weights_hash", "points"} <= record.keys():
            return dict(record)
    except (ValueError, AttributeError):
        pass
    raise ValueError(f"{file} does not say which checkpoint built the index: delete the folder and build it again.")


def _searching_weights(model: Any) -> str:
    """Hash of the towers that place series and words; without the vision tower a checkpoint searches as well."""
    others = ("vision_model.", "visual_projection.", "logit_scale")
    return weights_hash({name: one for name, one in model.state_dict().items() if not name.startswith(others)})


def _name_of(model: Any) -> str:
    """The Hub id of a checkpoint, or the name of its folder without the way there."""
    name = str(model.name_or_path)
    return Path(name).resolve().name if Path(name).is_dir() else name or "a model without a name"


@contextmanager
def _progress_bars(shown: bool) -> Iterator[None]:
    """Those of `datasets`, which are global."""
    before = are_progress_bars_disabled()
    (enable_progress_bars if shown else disable_progress_bars)()
    try:
        yield
    finally:
        (disable_progress_bars if before else enable_progress_bars)()
