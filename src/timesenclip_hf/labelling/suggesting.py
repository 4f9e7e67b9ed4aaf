"""Choose the pixels of a map whose label would help a fit most: in doubt, unlike each other, and far apart.

The rule is that of Prabhu et al. (CLUE, "Active Domain Adaptation via Clustering Uncertainty-weighted Embeddings",
ICCV 2021): the pixels are clustered into as many groups as places are wanted, by k-means in which a pixel weighs as
much as it is in doubt, by its entropy; of each group the pixel nearest to its centre is taken. Such a pixel stands for
others, which while labels are few helps more than the pixels most in doubt (Hacohen et al., "Active Learning on a
Budget", ICML 2022); `training/evidence/examples_suggest.py` compares them. What is clustered is the embedding, where
the run stores it, else what the map says of the pixel, and its position, so that places spread over the map.
"""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..extras import needs_extra
from ..files import whole_file
from ..maps.making.model_source import Model, find_model
from ..models.timesenclip.label_set_timesenclip import Labels, LabelSet, as_label_set
from ..words import as_cell

with needs_extra("eval"):
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits
with needs_extra("map"):
    import xarray as xr
    from rasterio.warp import transform

    from ..maps.files.legend import NO_CLASS
    from ..maps.making.blocks import embeddings_from_int8
    from ..maps.making.store import MapStore, open_map

WGS84 = "EPSG:4326"
# Pixels that are compared, of a larger map one in each cell of a grid: k-means of more takes minutes.
MOST_CANDIDATES = 10_000
# Share of the position in what is clustered, by variance, and the doubt that every pixel has. Both are our own choice.
POSITION_SHARE = 0.1
LEAST_DOUBT = 1e-3
# Layers of a map that are read.
_LAYERS = ("class", "probability", "entropy", "margin", "embeddings", "embedding_scale")
# Passes of k-means; it stops where nothing changes.
MOST_PASSES = 100


@dataclass(frozen=True)
class Suggestion:
    """Hold a place whose label would help, and what the map says of it.

    Attributes:
        id: number of the place, 1 for the one whose label would help most.
        pixel: its row and column in the map, both from 0.
        longitude: of the middle of the pixel, WGS84 degrees.
        latitude: as the longitude.
        predicted: class on the map.
        second: likeliest other class; empty where the run stores no embeddings.
        probability: of the class on the map.
        margin: lead of that class over the likeliest other.
        why: a sentence.
        label: empty, to be filled in.
    """

    id: int
    pixel: str
    longitude: float
    latitude: float
    predicted: str
    second: str
    probability: float
    margin: float
    why: str
    label: str = ""


def suggest_places(
    run: str | PathLike[str],
    count: int = 20,
    *,
    label_set: str = "",
    labels: Labels | None = None,
    model: Model = None,
    seed: int = 0,
) -> list[Suggestion]:
    """Choose the places of a finished map whose label would help a fit most; the same call chooses the same places.

    Args:
        run: folder of the run; best one that stores embeddings.
        count: places wanted.
        label_set: name of the run's label set, where it has several.
        labels: the fitted label set that the map was made with; what a run in words was made with is known.
        model: folder or Hub id of the map's checkpoint, or a loaded pipeline; the embedded one when left out. Asked for
            the second class only, where the run stores embeddings.
        seed: of the first centres, and of which pixels of a large map are compared.

    Returns:
        The places, the one that stands for most doubt first.

    Raises:
        ValueError: the folder holds no finished map, or one without a reference system, of other weights or with fewer
            pixels than places wanted.
    """
    manifest = MapStore(run).manifest
    mapped = open_map(run, label_set)
    if manifest is None or "outcome" not in manifest:
        raise ValueError(f"{run} holds no finished map: run its command to the end first.")
    if mapped.rio.crs is None:
        raise ValueError(f"{run} has no coordinate reference system, so that nobody finds its places: map with `crs`.")
    candidates = _candidates(mapped, seed)
    if not 1 <= count <= len(candidates.classes):
        pixels = f"the {len(candidates.classes):,} pixels of {run} that have a class and are compared"
        raise ValueError(f"`count` must be from 1 to {pixels}, got {count}.")
    if labels is None and "fitted_to_examples" not in mapped.attrs:
        labels = manifest["identity"]["labels"][label_set]
    seconds = None if labels is None else _second_classes(candidates, mapped.attrs, labels, model)
    chosen, shares = choose_places(candidates.features, candidates.entropy, candidates.yx, count, seed=seed)
    return _suggestions(candidates, mapped, chosen, shares, seconds)


def choose_places(
    features: np.ndarray, doubt: np.ndarray, yx: np.ndarray, count: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose pixels in doubt, unlike each other and spread over the map.

    Args:
        features: what tells pixels apart (pixels, features), such as their unit embeddings.
        doubt: how much a pixel counts (pixels,), at least 0, such as the entropy.
        yx: row and column (pixels, 2).
        count: pixels wanted.
        seed: of the first centres.

    Returns:
        Their indices (count,), those that stand for most doubt first, and the share of all doubt that each stands for.
    """
    weights = np.maximum(np.asarray(doubt, dtype=np.float64), LEAST_DOUBT)
    spread, places = np.var(features, axis=0).sum(), yx - yx.mean(axis=0)
    places = places * np.sqrt(POSITION_SHARE * (spread or 1.0) / max(np.var(places, axis=0).sum(), 1e-12))
    points = np.concatenate([features, places], axis=1)
    with threadpool_limits(1):  # sums of several threads differ in their last bits from call to call
        clusters = KMeans(count, n_init=1, max_iter=MOST_PASSES, random_state=seed).fit(points, sample_weight=weights)
    distances = ((points - clusters.cluster_centers_[clusters.labels_]) ** 2).sum(axis=1)
    shares = np.bincount(clusters.labels_, weights, minlength=count) / weights.sum()
    # The pixel nearest to its centre is the first of its cluster in this order.
    order = np.lexsort((distances, clusters.labels_))
    _, first = np.unique(clusters.labels_[order], return_index=True)
    chosen = order[first]
    shares = shares[clusters.labels_[chosen]]
    ranked = np.argsort(-shares, kind="stable")
    return chosen[ranked], shares[ranked]


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Hold pixels with a class: row and column, layers of the map, and unit embeddings where there are any."""

    yx: np.ndarray
    classes: np.ndarray  # from 0
    probability: np.ndarray
    entropy: np.ndarray
    margin: np.ndarray
    embeds: np.ndarray | None

    @property
    def features(self) -> np.ndarray:
        """Return what tells the pixels apart: embeddings, or as long as the probability a vector of the class."""
        if self.embeds is not None:
            return self.embeds
        return np.asarray(np.eye(int(self.classes.max()) + 1)[self.classes] * self.probability[:, None])


def _candidates(mapped: xr.Dataset, seed: int) -> _Candidates:
    """Read the pixels that are compared: all with a class, or of a large map one in each cell of a grid."""
    shape = mapped.sizes["y"], mapped.sizes["x"]
    if shape[0] * shape[1] <= MOST_CANDIDATES:
        yx = np.indices(shape).reshape(2, -1)
    else:
        cells = np.sqrt(np.prod(shape) / MOST_CANDIDATES)
        edges = [np.unique(np.append(np.arange(0, length, cells).astype(int), length)) for length in shape]
        low = np.stack(np.meshgrid(*(edge[:-1] for edge in edges), indexing="ij")).reshape(2, -1)
        high = np.stack(np.meshgrid(*(edge[1:] for edge in edges), indexing="ij")).reshape(2, -1)
        yx = np.random.default_rng(seed).integers(low, high)
    names = [name for name in _LAYERS if name in mapped]
    rows, columns = (xr.DataArray(index, dims="pixel") for index in yx)
    read = {name: layer.values for name, layer in mapped[names].isel(y=rows, x=columns).compute().items()}
    seen = read["class"] != NO_CLASS
    read = {name: values[seen] for name, values in read.items()}
    embeds = read.get("embeddings")
    if embeds is not None and "embedding_scale" in read:
        embeds = embeddings_from_int8(embeds, read["embedding_scale"])
    if embeds is not None:
        embeds = torch.nn.functional.normalize(torch.from_numpy(embeds.astype(np.float32)), dim=-1).numpy()
    classes = read["class"].astype(np.int64) - 1
    return _Candidates(yx.T[seen], classes, read["probability"], read["entropy"], read["margin"], embeds)


def _second_classes(candidates: _Candidates, attributes: Any, labels: Labels, model: Model) -> np.ndarray | None:
    """Find the likeliest class but for that on the map, as an index a pixel; None where embeddings do not tell."""
    if candidates.embeds is None or len(attributes["labels"]) < 2:
        return None
    source, encoder = find_model(model)
    if source.weights != attributes["weights_sha256"]:
        raise ValueError(f"The map is of the checkpoint {attributes['model']}, got {source.name}: name it as `model`.")
    template = None if isinstance(labels, LabelSet) else attributes["hypothesis_template"]
    made = as_label_set(encoder.model, encoder.processor, labels, template)
    if made.labels != attributes["labels"]:
        names = ", ".join(attributes["labels"])
        raise ValueError(f"The map has the classes {names}, `labels` has {', '.join(made.labels)}: give those of it.")
    if made.reads_values:
        return None
    logits = made.logits(torch.from_numpy(candidates.embeds)).numpy()
    logits[np.arange(len(logits)), candidates.classes] = -np.inf
    return np.asarray(logits.argmax(axis=1))


def _suggestions(
    candidates: _Candidates, mapped: xr.Dataset, chosen: np.ndarray, shares: np.ndarray, seconds: np.ndarray | None
) -> list[Suggestion]:
    """Describe the chosen pixels."""
    rows, columns = candidates.yx[chosen].T
    degrees = transform(mapped.rio.crs, WGS84, mapped["x"].values[columns], mapped["y"].values[rows])
    suggestions = []
    for number, (index, share) in enumerate(zip(chosen.tolist(), shares.tolist(), strict=True)):
        predicted = mapped.attrs["labels"][candidates.classes[index]]
        second = "" if seconds is None else mapped.attrs["labels"][seconds[index]]
        margin = float(candidates.margin[index])
        between = f"{predicted} or {second}" if second else f"{predicted} or another class"
        suggestions.append(
            Suggestion(
                id=number + 1,
                pixel=f"row {rows[number]}, column {columns[number]}",
                longitude=round(float(degrees[0][number]), 7),
                latitude=round(float(degrees[1][number]), 7),
                predicted=predicted,
                second=second,
                probability=round(float(candidates.probability[index]), 4),
                margin=round(margin, 4),
                why=f"{between}, {margin:.0%} apart; pixels like this one hold {share:.1%} of the map's doubt",
            )
        )
    return suggestions


def write_suggestions(suggestions: Sequence[Suggestion], path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write places for the field or a GIS, whose column `label` is filled in and given to `timesenclip fit`.

    Args:
        suggestions: of [`suggest_places`].
        path: `.geojson` or `.gpkg` of points in EPSG:4326, or `.csv` with longitude and latitude.
        overwrite: replace a file that is there.

    Raises:
        ValueError: another suffix.
        OSError: the path cannot be written.
    """
    write = _WRITERS[check_suggestions_path(path)]
    with whole_file(path, overwrite=overwrite) as partial:
        write([asdict(suggestion) for suggestion in suggestions], partial)


def check_suggestions_path(path: str | PathLike[str]) -> str:
    """Return the suffix of a file of places; raise a ValueError where none such is written."""
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise ValueError(f"The file of places ends in {', '.join(_WRITERS)}, got {Path(path).name!r}.")
    return suffix


def _write_geojson(rows: Sequence[dict[str, Any]], path: Path) -> None:
    features = []
    for row in rows:
        point = {"type": "Point", "coordinates": [row.pop("longitude"), row.pop("latitude")]}
        features.append({"type": "Feature", "geometry": point, "properties": row})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n", encoding="utf-8")


def _write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([as_cell(value) for value in row.values()] for row in rows)


def _write_geopackage(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with needs_extra("data"):
        import pyogrio.raw
        import shapely
    places = shapely.to_wkb(shapely.points([(row.pop("longitude"), row.pop("latitude")) for row in rows]))
    # A GeoPackage numbers its features in a column of its own, of this name or another.
    columns = {"number" if name == "id" else name: np.asarray([row[name] for row in rows]) for name in rows[0]}
    columns = {name: values.astype(object) if values.dtype.kind == "U" else values for name, values in columns.items()}
    layer: dict[str, Any] = {"layer": "places", "driver": "GPKG", "geometry_type": "Point", "crs": WGS84}
    pyogrio.raw.write(path, places, list(columns.values()), np.asarray(list(columns)), **layer)


_WRITERS: dict[str, Callable[[Sequence[dict[str, Any]], Path], None]] = {
    ".geojson": _write_geojson,
    ".gpkg": _write_geopackage,
    ".csv": _write_csv,
}
