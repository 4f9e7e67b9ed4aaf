"""Find places by words: points embedded once, searched exactly with FAISS, by the checkpoint that embedded them.

The folder of an index is a dataset that `load_dataset` reads (id, year, coordinates, links to photos, embedding), with
its FAISS index and, written last, `index.json`: which checkpoint made it. It is built as every import is: in parts,
each written whole or not at all, so that what was stopped goes on; without `index.json` it is no index.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .data.collate import SeriesRows
from .data.engine.content import content_hash
from .data.engine.reports import ImportReport, Problem
from .data.engine.shards import ImportPart, import_parts
from .data.sources.arrays import NO_CLEAR_OBSERVATION
from .extras import needs_extra
from .files import first_line, read_json, whole_file, write_json
from .files.locks import Hold
from .models.timesenclip.encoding_timesenclip import encode
from .models.timesenclip.label_set_timesenclip import LabelSet, as_label_set
from .models.timesenclip.weights_timesenclip import weights_hash
from .models.timesenclip.zero_shot_timesenclip import embed_labels, unknown_words

with needs_extra("eval"):
    import faiss
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from datasets import Dataset, Features, List, Value

INDEX_FILE, FAISS_FILE = "index.json", "embedding.faiss"
TEXT, DEGREES = Value("string"), Value("float64")
PHOTO = {"direction": TEXT, "link": TEXT, "licence": TEXT}
FEATURES = Features(point_id=TEXT, year=Value("int32"), longitude=DEGREES, latitude=DEGREES, photos=List(PHOTO))
COLUMNS = tuple(FEATURES)
PHOTOS = FEATURES.arrow_schema.field("photos").type
# Points of a part: some seconds of work, which is what stopping costs.
PART_SIZE = 4_096
Hit = dict[str, Any]


def build_index(
    dataset: Dataset, output: str | os.PathLike[str], model: Any, processor: Any, *, progress: bool = True
) -> ImportReport:
    """Embed the points of a dataset and write their index, or go on where an earlier call was ended.

    Args:
        dataset: of the schema, composites of one length; `year` and `photos` may be absent.
        output: folder to write.
        model: [`TimeSenCLIPModel`], whose words shall find the points.
        processor: the model's.
        progress: show a bar.

    Returns:
        What became of the points; those without any observation are left out.

    Raises:
        OSError: the folder cannot be written, or another process writes to it.
        ValueError: no points, no coordinates, a missing column, an embedding that is not finite, or a folder that
            holds the index of another dataset or checkpoint.
    """
    _check_points(dataset)
    folder, size = Path(output), int(model.config.projection_dim)
    identity = {"kind": "search index", "weights": _searching_weights(model), "points": _content(dataset)}
    spans = [range(len(dataset))[start : start + PART_SIZE] for start in range(0, len(dataset), PART_SIZE)]
    parts = [ImportPart((span.start, span.stop), len(span)) for span in spans]
    read = partial(_embed_rows, dataset, model, processor.feature_extractor)
    features = Features({**FEATURES, "embedding": List(Value("float32"), length=size)})
    with Hold(folder):
        # One process: the encoder uses all cores as it is.
        report = import_parts(folder, parts, read, features, identity=identity, workers=1, progress=progress)
        if not (folder / INDEX_FILE).exists():
            _write_faiss(folder, size)
            record = {"model": _name_of(model), "weights_hash": identity["weights"], "embedding_size": size}
            record |= {"points": report.rows, "content_hash": report.content_hash}
            # Last: without it the folder is no index.
            write_json(folder / INDEX_FILE, {**record, "package_version": version("timesenclip_hf")})
    return report


@dataclass(frozen=True)
class SearchIndex:
    """Hold points that words find: their rows with the FAISS index "embedding", and the model that embeds words."""

    points: Dataset
    model: Any
    processor: Any

    @classmethod
    def load(cls, folder: str | os.PathLike[str], model: Any, processor: Any) -> "SearchIndex":
        """Read an index that [`build_index`] wrote with the same model and its processor.

        Raises:
            FileNotFoundError: the folder has no index, or one that is not finished.
            ValueError: another checkpoint made the index, it holds no points, or its files do not fit.
        """
        folder = Path(folder)
        record = _read_record(folder)
        if record["weights_hash"] != (weights := _searching_weights(model)):
            built_by = f"{record['model']} (weights {record['weights_hash']}), not by {_name_of(model)} ({weights})"
            raise ValueError(
                f"The index in {folder} was built by another checkpoint, {built_by}: search with that one, or build "
                "an index with this one."
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
        label_set: LabelSet | None = None,
    ) -> list[Hit]:
        """Find the points that are nearest to words, or to a class of a label set.

        Args:
            query: what to find, or several phrases for the same, whose embeddings are averaged; or the name of a class
                of `label_set`.
            top_k: points to return, fewer where the index has fewer.
            hypothesis_template: that the query goes into; the checkpoint's own when left out.
            label_set: whose class the query names; points are compared with its class vector, whatever its words.

        Returns:
            The nearest first: `rank`, `score` (cosine), `point_id`, `year`, `longitude`, `latitude` (WGS84 degrees,
            `None` where not known) and `photos`, each with `direction`, `link` (address or path) and `licence`; and
            `fitted`, True, where the class was fitted to examples.

        Raises:
            ValueError: a query without words, or without any that the checkpoint ever read; a class that the label set
                does not have, or one of other weights, or that reads what an index has not; `top_k` below 1.
        """
        if label_set is not None:
            checked = as_label_set(self.model, self.processor, label_set, hypothesis_template)
            hits = self.nearest(_class_vector(query, checked), top_k=top_k)
            return [{**hit, "fitted": True} for hit in hits] if checked.is_fitted else hits
        phrases = [query] if isinstance(query, str) else list(query)
        _check_words(phrases, self.processor.known_words)
        _, embeds = embed_labels(self.model, self.processor, {" ".join(phrases): phrases}, hypothesis_template)
        return self.nearest(embeds[0], top_k=top_k)

    def nearest(self, embed: torch.Tensor | np.ndarray, *, top_k: int = 10) -> list[Hit]:
        """Find the points that are nearest to an embedding, of a series or a photo for example.

        Args:
            embed: (projection_dim,), of any length above 0.
            top_k: points to return, in the form of [`SearchIndex.search`]; fewer where the index has fewer.

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
        # NaN, which JSON lacks, is the only value that differs from itself.
        known = {name: [None if value != value else value for value in rows[name]] for name in COLUMNS}
        return [
            {"rank": index + 1, "score": score, **{name: values[index] for name, values in known.items()}}
            for index, score in enumerate(scores.tolist())
        ]


def as_geojson(hits: Sequence[Hit]) -> dict[str, Any]:
    """Write hits as a FeatureCollection (RFC 7946), which every GIS opens; without coordinates there is no geometry."""
    features = []
    for hit in hits:
        coordinates = [hit["longitude"], hit["latitude"]]
        geometry = None if None in coordinates else {"type": "Point", "coordinates": coordinates}
        properties = {name: value for name, value in hit.items() if name not in ("longitude", "latitude")}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return {"type": "FeatureCollection", "features": features}


def as_table(hits: Sequence[Hit]) -> str:
    """Write hits as lines for people, the links to the photos at their ends."""
    width = max(len("point"), *(len(hit["point_id"]) for hit in hits))
    lines = [f"rank  score  longitude  latitude  year  {'point':<{width}}  photos"]
    for hit in hits:
        degrees = {name: "-" if hit[name] is None else f"{hit[name]:.5f}" for name in ("longitude", "latitude")}
        located = "  ".join(f"{text:>{len(name)}}" for name, text in degrees.items())
        links = " ".join(photo["link"] for photo in hit["photos"] if photo["link"]) or "-"
        year = "-" if hit["year"] is None else hit["year"]
        lines.append(f"{hit['rank']:>4}  {hit['score']:.3f}  {located}  {year:>4}  {hit['point_id']:<{width}}  {links}")
    return "\n".join(lines)


def _class_vector(query: str | Sequence[str], label_set: LabelSet) -> torch.Tensor:
    """Return the vector of the class that a query names; raise ValueError where there is none to search by."""
    if query not in label_set.labels:
        raise ValueError(
            f"{query!r} is no class of the label set, which has {', '.join(label_set.labels)}: name one of them, or "
            "leave the label set out to search by words."
        )
    if label_set.reads_values:
        raise ValueError("The label set reads monthly values, which an index does not hold: search by a set without.")
    return label_set.class_embeds[label_set.labels.index(str(query))]


def _check_words(phrases: Sequence[str], known_words: Sequence[str] | None) -> None:
    """Refuse a query of which the checkpoint knows no word; single unknown ones are warned of when embedded."""
    if not (words := unknown_words(phrases, ())):
        raise ValueError(f"The query {' '.join(phrases)!r} has no words: say what to find, such as 'rice paddies'.")
    strange = unknown_words(phrases, known_words) if known_words else {}
    if len(strange) == len(words):
        nearest = dict.fromkeys(word for similar in strange.values() for word in similar)
        hint = f"the nearest it knows: {', '.join(nearest)}" if nearest else "it knows none that is similar"
        raise ValueError(
            f"No word of {' '.join(phrases)!r} occurs in this checkpoint's training captions, so it would find points "
            f"at random; {hint}."
        )


def _check_points(dataset: Dataset) -> None:
    if not len(dataset):
        raise ValueError("The dataset is empty: there are no points to search.")
    for name in ("point_id", "longitude", "latitude"):
        if name not in dataset.column_names:
            columns = ", ".join(dataset.column_names)
            raise ValueError(f"The dataset has no column {name!r}, but {columns}: a search returns places.")
    coordinates = dataset.select_columns(["longitude", "latitude"]).to_pandas()
    if coordinates.isna().any(axis=1).all():
        raise ValueError("No point has coordinates: import them with longitude and latitude, a search returns places.")


def _embed_rows(dataset: Dataset, model: Any, extractor: Any, task: tuple[int, int]) -> Iterator[pa.Table | Problem]:
    """Give the points of a part with their embeddings, and those without any observation as problems."""
    rows = dataset.select(range(*task))
    inputs = SeriesRows(rows, extractor).__getitems__(range(len(rows)))
    described = _describe(rows.with_format("arrow")[:])
    seen = inputs["series_mask"].any(dim=1)
    empty = described["point_id"].filter(pa.array((~seen).numpy()))
    yield from (Problem(NO_CLEAR_OBSERVATION, point) for point in empty.to_pylist())
    embeds = encode(model, {name: values[seen] for name, values in inputs.items()}).numpy()
    described = described.filter(pa.array(seen.numpy()))
    if (wrong := ~np.isfinite(embeds).all(axis=1)).any():
        point = described["point_id"][int(wrong.argmax())]
        raise ValueError(f"The embedding of the point {point} is not finite: the checkpoint's weights are damaged.")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeds.reshape(-1)), embeds.shape[1])
    yield described.append_column("embedding", vectors)


def _describe(table: pa.Table, also: Sequence[str] = ()) -> pa.Table:
    """Return `COLUMNS` of a batch in their types, and others as they are; years and photos that it lacks are empty."""
    columns = {name: table[name] for name in COLUMNS if name in table.column_names}
    columns.setdefault("year", pa.nulls(len(table)))
    # Chunk by chunk: photos that a dataset holds as bytes must not be copied.
    chunks = [_links(chunk) for chunk in columns["photos"].chunks] if "photos" in columns else [[[]] * len(table)]
    columns["photos"] = pa.chunked_array(chunks, PHOTOS)
    typed = {field.name: columns[field.name].cast(field.type) for field in FEATURES.arrow_schema}
    return pa.table({**typed, **{name: table[name] for name in also}})


def _links(photos: pa.ListArray) -> pa.ListArray:
    """Give direction, link and licence of photos; the link is an address, or the path of a file that is not copied."""
    flat = photos.flatten()
    image, address = flat.field("image"), flat.field("url")
    path = pc.if_else(pc.is_null(pc.struct_field(image, "bytes")), pc.struct_field(image, "path"), None)
    link = pc.coalesce(pc.if_else(pc.equal(address, ""), None, address), path)
    entries = pa.StructArray.from_arrays([flat.field("direction"), link, flat.field("licence")], list(PHOTO))
    lengths = photos.value_lengths().fill_null(0).to_numpy()
    return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), entries)


def _content(dataset: Dataset) -> str:
    """Hash what the index is made from: the same points go on, others do not."""
    inputs = [name for name in ("series", "observed", "months") if name in dataset.column_names]
    return content_hash(_describe(table, inputs) for table in dataset.with_format("arrow").iter(PART_SIZE))


def _write_faiss(folder: Path, size: int) -> None:
    index = faiss.IndexFlatIP(size)
    for file in _files(folder):
        for batch in pq.ParquetFile(file).iter_batches(columns=["embedding"]):
            index.add(batch["embedding"].flatten().to_numpy().reshape(-1, size))
    with whole_file(folder / FAISS_FILE, overwrite=True) as unfinished:
        faiss.write_index(index, str(unfinished))


def _files(folder: Path) -> list[str]:
    return sorted(str(file) for file in folder.glob("data/*.parquet"))


def _read_record(folder: Path) -> dict[str, Any]:
    file = folder / INDEX_FILE
    if not file.exists():
        started = folder.is_dir() and any(folder.iterdir())
        reason = "is not finished, or is no index: run the same command again" if started else "does not exist"
        raise FileNotFoundError(
            f"The index in {folder} {reason}; `timesenclip index DATASET --output {folder}` builds one."
        )
    with suppress(ValueError, AttributeError):
        record: dict[str, Any] = read_json(file)
        if {"model", "weights_hash", "points"} <= record.keys():
            return record
    raise ValueError(f"{file} does not say which checkpoint built the index: delete the folder and build it again.")


def _searching_weights(model: Any) -> str:
    """Hash the towers that embed series and words; without the vision tower a checkpoint searches as well."""
    others = ("vision_model.", "visual_projection.", "logit_scale", "novelty.")
    return weights_hash({name: tensor for name, tensor in model.state_dict().items() if not name.startswith(others)})


def _name_of(model: Any) -> str:  # without the path of a folder
    name = str(model.name_or_path)
    return Path(name).resolve().name if Path(name).is_dir() else name or "a model without a name"
