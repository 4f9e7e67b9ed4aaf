"""Classify points and polygons by the pixels of a cube: one pass over its chunks, from which sums alone are kept."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm
from transformers.utils import logging

from ..extras import needs_extra
from ..files import first_line
from ..files.locks import Hold
from ..maps.cubes.reading import open_cube
from ..maps.cubes.sources import CubeSource, chunks_of, list_sources
from ..maps.making.model_source import Model
from ..maps.making.options import DEFAULT_READING, MapOptions, RunOptions
from ..maps.making.plan import chunk_side
from ..maps.making.recipe import Recipe, make_recipe
from ..maps.making.run import Chunk, check_weights, digest_of, identity_of
from ..maps.making.store import chunk_name
from ..maps.making.windows import GridWindow
from ..models.timesenclip.label_set_timesenclip import Labels
from ..models.timesenclip.options_timesenclip import SeriesOptions
from ..runtimes.options import DEFAULT_COMPUTE, ComputeOptions
from .footprints import Footprints, Pairs, lay_on_grid
from .sum_store import SumStore
from .sums import Answers, Sums, answer_parcels, sum_block

with needs_extra("data"):
    import geopandas
    import pandas
    import shapely

with needs_extra("map"):
    import xarray as xr

    from ..maps.cubes.grids import grid_of

logger = logging.get_logger(__name__)

# Side in pixels of what is read at once of files that bring no chunks.
SIDE = 256
# Names of the columns that are added, in their order.
COLUMNS = (
    *("class", "probability", "margin", "second_class", "pixels", "majority_share", "clear_months"),
    "by_touched_pixels",
)
PIXEL_RULES, POOLINGS = ("centre", "touched"), ("probabilities", "embeddings")


@dataclass(frozen=True)
class ParcelOptions:
    """Say which pixels a parcel has, and how they make its class.

    Attributes:
        pixels: a polygon has the pixels whose "centre" it holds, or all that are "touched".
        pooling: its class is that of the mean of its pixels' "probabilities", or of their "embeddings".
        inset: metres from the edge of each polygon that are left out.
        id_column: column that tells the parcels apart, which is checked; None for none.
        prefix: put before the names of the new columns.
        hypothesis_template: one template or several; the checkpoint's own when left out.

    Raises:
        ValueError: there is no such rule or pooling, or the inset is below 0.
    """

    pixels: Literal["centre", "touched"] = "centre"
    pooling: Literal["probabilities", "embeddings"] = "probabilities"
    inset: float = 0.0
    id_column: str | None = None
    prefix: str = ""
    hypothesis_template: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, choices in (("pixels", PIXEL_RULES), ("pooling", POOLINGS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"`{name}` must be one of {', '.join(choices)}, got {getattr(self, name)!r}.")
        if not 0 <= self.inset < np.inf:
            raise ValueError(f"`inset` is metres from 0, got {self.inset}: a polygon is made smaller, never larger.")


@dataclass(frozen=True)
class ParcelRunOptions:
    """Say where a run keeps what it has finished, and in which pieces it computes.

    Attributes:
        store: folder; the same call goes on there where it was stopped. None for one that is gone at the end.
        chunk: side in pixels of what is read at once; the cube's own chunks when left out.
        inputs: what the cube was read from, so that another cube is not taken for it.
        overwrite: replace another run in the folder, in place of refusing it.
        progress: show a progress bar.
    """

    store: str | os.PathLike[str] | None = None
    chunk: int | None = None
    inputs: Sequence[str] = ()
    overwrite: bool = False
    progress: bool = True


DEFAULT_PARCELS, DEFAULT_PARCEL_RUN = ParcelOptions(), ParcelRunOptions()


def classify_parcels(
    parcels: geopandas.GeoDataFrame,
    cube: CubeSource | Sequence[CubeSource],
    labels: Labels,
    model: Model = None,
    *,
    options: ParcelOptions = DEFAULT_PARCELS,
    reading: SeriesOptions = DEFAULT_READING,
    compute: ComputeOptions = DEFAULT_COMPUTE,
    run: ParcelRunOptions = DEFAULT_PARCEL_RUN,
) -> geopandas.GeoDataFrame:
    """Name the land cover of points and polygons, such as fields, from the pixels of a cube.

    Chunks of the cube that hold parcels are read one after the other in this process, none twice; no Dask cluster is
    used. A pixel's probabilities are those that a map of the whole cube has. Polygons that hold no centre of a pixel,
    and those of which the inset leaves nothing, have the pixels that they touch, and are marked. Invalid rings are
    repaired for this, counted and told.

    Args:
        parcels: points or polygons in any coordinate reference system, as [`read_layer`] reads them.
        cube: files or xarray objects, as [`open_cube`] reads them, or what it or [`stored_embeddings`] returned.
        labels: a list of names, a string with commas, `{label: [phrases]}`, or a [`LabelSet`].
        model: folder or Hub id of a checkpoint, or a loaded pipeline; the embedded one when left out.
        options: which pixels a parcel has, how they are pooled, and how the new columns are called.
        reading: `year`, and `offset` or `processing_baseline` where the files do not say them.
        compute: on what and in which precision.
        run: where what is finished is kept, and in which pieces.

    Returns:
        The parcels with all columns, geometries, index, order and reference system as they were, and these columns:
        `class`, None where no pixel has a clear month; `probability` of that class and its `margin` over
        `second_class`; `pixels`, those with a clear month, from which all this is; `majority_share`, the share of them
        whose own class is the commonest one; `clear_months`, their mean; `by_touched_pixels`, whether the parcel is too
        small or thin to hold a pixel's centre.

    Raises:
        ValueError: parcels, cube, labels or options cannot be used; the sentence says why.
        HeldError: another process is writing to the folder of the run.
        OSError: nothing of the cube can be read.
    """
    check_parcels(parcels, options)
    opened = _opened(cube, reading, run.chunk)
    side = chunk_side(opened, run.chunk)
    inset, touched = options.inset, options.pixels == "touched"
    footprints = lay_on_grid(parcels, grid_of(opened), opened.rio.crs, inset=inset, touched=touched)
    mapping = MapOptions(hypothesis_template=options.hypothesis_template)
    recipe = make_recipe(opened, labels, model, mapping, reading, compute)
    check_weights(opened, recipe)
    work = _Work(opened, footprints, recipe, options, side)
    identity = identity_of(opened, recipe, side, RunOptions(inputs=run.inputs))
    with _store_of(run) as store:
        store.create(identity | _described(footprints, options), len(work.tasks), overwrite=run.overwrite)
        work.run(store, progress=run.progress)
        answers = work.answers(store)
    return _with_columns(parcels, answers, recipe.label_sets[""].labels, options.prefix)


def check_parcels(parcels: geopandas.GeoDataFrame, options: ParcelOptions = DEFAULT_PARCELS) -> None:
    """Refuse parcels of which no reference system or identity is known, or whose columns would be lost.

    Raises:
        ValueError: what is wrong, in one sentence.
    """
    if not len(parcels):
        raise ValueError("The layer has no features: give one that holds some.")
    if parcels.crs is None:
        raise ValueError("The parcels have no coordinate reference system: set one, parcels.set_crs(32631).")
    present = {str(name).lower(): name for name in parcels.columns}
    taken = next((name for name in (options.prefix + each for each in COLUMNS) if name.lower() in present), None)
    if taken is not None:
        raise ValueError(
            f"The layer has a column {present[taken.lower()]!r} already: put something before the names of the new "
            "ones (--prefix, in Python `prefix`)."
        )
    if (name := options.id_column) is None:
        return
    if name not in parcels.columns:
        raise ValueError(f"The layer has no column {name!r}: it has {', '.join(map(str, parcels.columns))[:200]}.")
    ids = parcels[name]
    if ids.isna().any():
        raise ValueError(f"The column {name!r} has no value in row {int(np.argmax(ids.isna())) + 1}: give each an id.")
    if (again := ids.duplicated()).any():
        row = int(np.argmax(again))
        raise ValueError(
            f"The column {name!r} holds {str(ids.iloc[row])[:60]!r} twice (the second time in row {row + 1}): give "
            "each parcel an id of its own, or leave the column out (--id-column, in Python `id_column`)."
        )


def _opened(cube: CubeSource | Sequence[CubeSource], reading: SeriesOptions, chunk: int | None) -> xr.Dataset:
    if isinstance(cube, xr.Dataset) and "embeddings" in cube:
        return cube
    chunks: Any = chunks_of(cube)
    if chunks is None and any(isinstance(source, (str, os.PathLike)) for source in list_sources(cube)):
        chunks = chunk or SIDE  # files are not read as a whole
    return open_cube(cube, chunks=chunks, start=reading.start, step=reading.step)


@contextmanager
def _store_of(run: ParcelRunOptions) -> Iterator[SumStore]:
    """Open the folder of a run for this process, or one that is gone at the end."""
    if run.store is None:
        with tempfile.TemporaryDirectory() as folder:
            yield SumStore(Path(folder))
        return
    with Hold(Path(run.store)):
        yield SumStore(Path(run.store))


def _described(footprints: Footprints, options: ParcelOptions) -> dict[str, Any]:
    """Collect what of the parcels must be the same for a run to go on."""
    outlines = [shape or b"" for shape in shapely.to_wkb(footprints.shapes)]
    return {
        "parcels": digest_of(np.frombuffer(b"".join(outlines), dtype=np.uint8), footprints.is_gone),
        "pixels": options.pixels,
        "pooling": options.pooling,
    }


class _Work:
    """Sum the chunks of a cube that hold parcels.

    Args:
        cube: opened, or with stored embeddings.
        footprints: of the parcels.
        recipe: of the cube.
        options: of the parcels.
        side: of a chunk.
    """

    def __init__(
        self, cube: xr.Dataset, footprints: Footprints, recipe: Recipe, options: ParcelOptions, side: tuple[int, int]
    ) -> None:
        self.cube, self.footprints, self.recipe, self.side = cube, footprints, recipe, side
        self.pool_embeddings = options.pooling == "embeddings"
        self.tasks = footprints.chunks(side)

    def run(self, store: SumStore, *, progress: bool) -> None:
        """Compute the chunks that the store lacks; warn of those that cannot be read."""
        left = [chunk for chunk in self.tasks if not store.has(chunk)]
        with tqdm(
            total=len(self.tasks), initial=len(self.tasks) - len(left), unit=" chunks", disable=not progress
        ) as bar:
            for chunk in left:
                if (sums := self._sum(chunk)) is not None:
                    store.write(chunk, sums)
                bar.update()

    def answers(self, store: SumStore) -> Answers:
        """Answer the parcels from what the store holds."""
        count = len(self.footprints.shapes)
        last = np.full(count, -1)
        for number, parcels in enumerate(self.tasks.values()):
            last[parcels] = number
        parts = (
            (store.read(chunk) if store.has(chunk) else None, parcels[last[parcels] == number])
            for number, (chunk, parcels) in enumerate(self.tasks.items())
        )
        label_set = self.recipe.label_sets[""].label_set
        return answer_parcels(parts, count, label_set, pool_embeddings=self.pool_embeddings)

    def _sum(self, chunk: tuple[int, int]) -> Sums | None:
        """Read what parcels need of a chunk, and sum it; None where it cannot be read."""
        window = self._window(chunk)
        pairs = self.footprints.pixels_in(window, self.tasks[chunk])
        if not len(pairs.parcels):
            return Sums.none()
        top, left = pairs.rows.min(), pairs.columns.min()
        bottom, right = pairs.rows.max() + 1, pairs.columns.max() + 1
        part = GridWindow(int(top), int(left), int(bottom - top), int(right - left))
        try:
            block = Chunk(self.cube, chunk, part, halo=0).read()
        except MemoryError:
            raise
        except Exception as error:  # readers of many formats
            logger.warning(
                f"The chunk at {chunk_name(chunk)} cannot be read, and parcels there lack its pixels: "
                f"{type(error).__name__}: {first_line(error)}; the same call tries it again."
            )
            return None
        inside = Pairs(pairs.parcels, pairs.rows - top, pairs.columns - left, pairs.touched)
        return sum_block(block, inside, self.recipe, pool_embeddings=self.pool_embeddings)

    def _window(self, chunk: tuple[int, int]) -> GridWindow:
        (row, column), (high, wide) = chunk, self.side
        top, left = row * high, column * wide
        return GridWindow(top, left, min(high, self.cube.sizes["y"] - top), min(wide, self.cube.sizes["x"] - left))


def _with_columns(
    parcels: geopandas.GeoDataFrame, answers: Answers, labels: Sequence[str], prefix: str
) -> geopandas.GeoDataFrame:
    """Add the columns of `COLUMNS`."""
    names = np.array([*labels, None], dtype=object)  # NO_ANSWER, -1, is the last
    values: dict[str, Any] = dict(
        zip(
            COLUMNS,
            (
                pandas.array(names[answers.classes], dtype="str"),
                answers.probability,
                answers.margin,
                pandas.array(names[answers.second], dtype="str"),
                answers.pixels,
                answers.share,
                answers.clear_months,
                answers.touched,
            ),
            strict=True,
        )
    )
    return parcels.assign(**{prefix + name: column for name, column in values.items()})
