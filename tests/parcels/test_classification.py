"""Parcels get the mean of what their pixels get, by a loop over pixels that knows nothing of chunks."""

import numpy as np
import pytest
import shapely

geopandas = pytest.importorskip("geopandas", reason="needs the extra data")
pytest.importorskip("rasterio", reason="needs the extra map")
import torch  # noqa: E402
import xarray as xr  # noqa: E402
from geopandas.testing import assert_geodataframe_equal  # noqa: E402

from tests.support.parcel_loops import drawn_polygons, pixels_of  # noqa: E402
from tests.support.small_cubes import CRS, grid, small_cube  # noqa: E402
from timesenclip_hf import SeriesOptions  # noqa: E402
from timesenclip_hf.classification import PixelClassifier  # noqa: E402
from timesenclip_hf.maps import MapOptions, MapRun, open_cube, stored_embeddings  # noqa: E402
from timesenclip_hf.maps.making.run import Chunk  # noqa: E402
from timesenclip_hf.parcels import ParcelOptions, ParcelRunOptions, classify_parcels  # noqa: E402
from timesenclip_hf.parcels.classification import COLUMNS  # noqa: E402

pytestmark = [pytest.mark.needs_extra("data"), pytest.mark.needs_extra("map")]
LABELS = ["maize", "woodland", "water"]
SIDE, HEIGHT, WIDTH = 8, 20, 23
NORTH, WEST = 5_600_000, 500_000
QUIET = ParcelRunOptions(progress=False)


def box(left, top, right, bottom):
    """A box by metres from the upper left corner of the cube."""
    return shapely.box(WEST + left, NORTH - bottom, WEST + right, NORTH - top)


@pytest.fixture(scope="module")
def cube():
    made = small_cube(HEIGHT, WIDTH)
    hidden = np.zeros((12, HEIGHT, WIDTH), dtype=bool)
    hidden[:, 3:5, 2:6] = True  # nothing is observed there
    hidden[3:, 10, :] = True
    return open_cube(
        made.where(~xr.DataArray(hidden, dims=("time", "y", "x")), 0).astype("uint16").assign_attrs(nodata=0)
    )


@pytest.fixture(scope="module")
def lazy(cube):
    return cube.chunk({"y": SIDE, "x": SIDE})


@pytest.fixture(scope="module")
def shapes():
    return drawn_polygons(60, 230, (WEST, NORTH))


@pytest.fixture(scope="module")
def classifier(tiny_checkpoint):
    return PixelClassifier(LABELS, tiny_checkpoint)


@pytest.fixture(scope="module")
def pixels(cube, classifier):
    """Probabilities (y, x, class), embeddings (y, x, feature) and clear months (y, x) of every pixel."""
    series = cube["reflectance"].values.reshape(12, len(cube["band"]), -1).transpose(2, 0, 1)
    reading = SeriesOptions(bands=cube["band"].values.tolist(), dates=cube["time"].values, nodata=0, units="dn")
    probabilities, clear = classifier.probabilities(series, reading)
    embedded = classifier.embed(series, reading)
    embeds = np.full((len(series), embedded.embeds.shape[1]), np.nan, dtype=np.float32)
    embeds[embedded.observed] = embedded.embeds
    shape = (HEIGHT, WIDTH)
    return probabilities.reshape(*shape, -1), embeds.reshape(*shape, -1), clear.reshape(shape)


@pytest.mark.parametrize("rule", ["centre", "touched"])
@pytest.mark.parametrize("pooling", ["probabilities", "embeddings"])
def test_the_answers_are_those_of_a_loop_over_pixels(lazy, shapes, pixels, classifier, rule, pooling, tiny_checkpoint):
    parcels = geopandas.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs=CRS)
    options = ParcelOptions(pixels=rule, pooling=pooling)
    found = classify_parcels(parcels, lazy, LABELS, tiny_checkpoint, options=options, run=QUIET)
    probabilities, embeds, clear = pixels
    checked, places = 0, grid(HEIGHT, WIDTH)
    for row, shape in zip(found.itertuples(), shapes, strict=True):
        cells, is_small = pixels_of(shape, places["y"], places["x"], rule)
        seen = [cell for cell in cells if clear[cell] > 0]
        assert row.pixels == len(seen)
        if not seen:
            assert found.loc[row.Index, "class"] is np.nan or found.loc[row.Index, "class"] is None
            assert np.isnan(row.probability)
            continue
        own = np.array([probabilities[cell] for cell in seen], dtype=np.float64)
        mean = own.mean(axis=0)
        if pooling == "embeddings":
            vector = np.mean([embeds[cell] for cell in seen], axis=0, dtype=np.float64)
            logits = classifier.label_set.logits(
                torch.tensor(vector / np.linalg.norm(vector), dtype=torch.float32)[None]
            )
            mean = logits.double().softmax(dim=-1).numpy()[0]
        order = np.argsort(-mean)
        assert (found.loc[row.Index, "class"], row.second_class) == (LABELS[order[0]], LABELS[order[1]])
        assert row.probability == pytest.approx(mean[order[0]], abs=1e-6)
        assert row.margin == pytest.approx(mean[order[0]] - mean[order[1]], abs=1e-6)
        assert row.majority_share == pytest.approx(np.bincount(own.argmax(axis=1)).max() / len(seen))
        assert row.clear_months == pytest.approx(np.mean([clear[cell] for cell in seen]))
        assert row.by_touched_pixels == is_small
        checked += 1
    assert checked > 40
    assert found["by_touched_pixels"].any() == (rule == "centre")


def fields(shapes, **columns):
    return geopandas.GeoDataFrame({"n": range(len(shapes)), **columns}, geometry=list(shapes), crs=CRS)


def classify(parcels, cube, model, **settings):
    names = {name: settings.pop(name) for name in ("store", "chunk", "overwrite", "inputs") if name in settings}
    run = ParcelRunOptions(progress=False, **names)
    return classify_parcels(parcels, cube, LABELS, model, options=ParcelOptions(**settings), run=run)


def test_attributes_geometries_index_order_and_system_are_as_they_were(lazy, shapes, tiny_checkpoint):
    parcels = fields(shapes, **{"имя": ["поле", None] * (len(shapes) // 2)}).iloc[::-1].set_geometry("geometry")
    parcels.index = parcels.index + 7
    parcels = parcels.rename_geometry("geom").to_crs(4326)
    found = classify(parcels, lazy, tiny_checkpoint)
    assert list(found.columns) == [*parcels.columns, *COLUMNS]
    assert_geodataframe_equal(found[parcels.columns], parcels)


def test_another_reference_system_gives_the_same_answers(lazy, shapes, tiny_checkpoint):
    parcels = fields(shapes[:20])
    ours, theirs = (classify(each, lazy, tiny_checkpoint) for each in (parcels, parcels.to_crs(3035)))
    assert ours["pixels"].tolist() == theirs["pixels"].tolist()
    np.testing.assert_allclose(ours["probability"], theirs["probability"], atol=1e-6)


def test_a_point_has_the_answer_of_the_pixel_under_it(cube, lazy, pixels, tiny_checkpoint):
    random = np.random.default_rng(5)
    x, y = WEST + random.uniform(-10, 240, 50), NORTH + random.uniform(-210, 10, 50)
    found = classify(fields(shapely.points(x, y)), lazy, tiny_checkpoint)
    rows, columns = np.floor((NORTH - y) / 10).astype(int), np.floor((x - WEST) / 10).astype(int)
    inside = (rows >= 0) & (rows < HEIGHT) & (columns >= 0) & (columns < WIDTH)
    assert 0 < inside.sum() < 50
    seen = np.zeros(50, dtype=bool)
    seen[inside] = pixels[2][rows[inside], columns[inside]] > 0
    assert found["pixels"].tolist() == seen.astype(int).tolist()
    expected = pixels[0][rows[seen], columns[seen]]
    np.testing.assert_allclose(found["probability"][seen], expected.max(axis=1), atol=1e-6)
    assert found["class"][seen].tolist() == [LABELS[index] for index in expected.argmax(axis=1)]
    assert found["class"][~seen].isna().all()


def test_the_answers_do_not_depend_on_chunks_and_equal_those_of_a_map(cube, lazy, shapes, tiny_checkpoint, tmp_path):
    parcels = fields(shapes)
    found = classify(parcels, lazy, tiny_checkpoint)
    for other in (cube, lazy.chunk({"y": 5, "x": 23})):
        again = classify(parcels, other, tiny_checkpoint)
        assert again["class"].equals(found["class"])
        np.testing.assert_allclose(again["probability"], found["probability"], atol=1e-9)
    MapRun(lazy, tmp_path / "map.run", LABELS, tiny_checkpoint, options=MapOptions(embeddings="float16")).execute()
    stored = classify(parcels, stored_embeddings(tmp_path / "map.run"), tiny_checkpoint)
    assert stored["pixels"].equals(found["pixels"])
    np.testing.assert_allclose(stored["probability"], found["probability"], atol=2e-3)


def test_a_run_that_is_killed_goes_on_and_ends_the_same(lazy, shapes, tiny_checkpoint, tmp_path, monkeypatch):
    parcels, store = fields(shapes), tmp_path / "fields.run"
    whole = classify(parcels, lazy, tiny_checkpoint)
    read: list[tuple[int, int]] = []
    real = Chunk.read

    def counted(self):
        read.append(self.index)
        if len(read) == 4:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Chunk, "read", counted)
    with pytest.raises(KeyboardInterrupt):
        classify(parcels, lazy, tiny_checkpoint, store=store)
    found = classify(parcels, lazy, tiny_checkpoint, store=store)
    assert_geodataframe_equal(found, whole)
    assert len(read) == len(set(read)) + 1  # only the chunk that was not finished is read again
    classify(parcels, lazy, tiny_checkpoint, store=store)
    assert len(read) == len(set(read)) + 1
    with pytest.raises(ValueError, match="holds a run with another pooling"):
        classify(parcels, lazy, tiny_checkpoint, store=store, pooling="embeddings")
    with pytest.raises(ValueError, match="holds a run with another parcels"):
        classify(parcels.iloc[1:], lazy, tiny_checkpoint, store=store)
    classify(parcels.iloc[1:], lazy, tiny_checkpoint, store=store, overwrite=True)


def test_a_chunk_that_cannot_be_read_is_told_and_tried_again(
    lazy, shapes, tiny_checkpoint, tmp_path, monkeypatch, caplog
):
    parcels, store = fields(shapes), tmp_path / "fields.run"
    whole = classify(parcels, lazy, tiny_checkpoint)
    real = Chunk.read

    def broken(self):
        if self.index == (1, 1):
            raise OSError("the file is cut")
        return real(self)

    with pytest.MonkeyPatch.context() as patch, caplog.at_level("WARNING"):
        patch.setattr(Chunk, "read", broken)
        found = classify(parcels, lazy, tiny_checkpoint, store=store)
    assert "row 1, column 1 cannot be read" in caplog.text
    assert 0 < found["pixels"].sum() < whole["pixels"].sum()
    assert_geodataframe_equal(classify(parcels, lazy, tiny_checkpoint, store=store), whole)


def test_only_chunks_that_hold_parcels_are_read_and_of_these_what_they_need(lazy, tiny_checkpoint, monkeypatch):
    read = []
    real = Chunk.read
    monkeypatch.setattr(Chunk, "read", lambda self: read.append((self.index, self.window)) or real(self))
    classify(fields([box(100, 110, 120, 130)]), lazy, tiny_checkpoint)
    assert [(index, tuple(window)) for index, window in read] == [((1, 1), (11, 10, 2, 2))]


def test_an_inset_leaves_out_the_edge_and_what_vanishes_is_marked(lazy, tiny_checkpoint):
    shapes = [
        box(100, 110, 160, 170),
        box(100, 20, 115, 35),
    ]
    found = classify(fields(shapes), lazy, tiny_checkpoint, inset=10.0)
    assert found["pixels"].tolist() == [16, 4]
    assert found["by_touched_pixels"].tolist() == [False, True]
    degrees = classify(fields(shapes).to_crs(4326), lazy, tiny_checkpoint, inset=10.0)
    assert degrees["pixels"].tolist() == found["pixels"].tolist()


def test_overlapping_parcels_count_a_pixel_for_each(lazy, tiny_checkpoint):
    shape = box(60, 110, 120, 120)
    found = classify(fields([shape, shape]), lazy, tiny_checkpoint)
    assert found["pixels"].tolist() == [6, 6]
    assert found["probability"].nunique() == 1


def test_invalid_rings_are_repaired_counted_and_kept_as_they_were(lazy, tiny_checkpoint, caplog):
    bow = shapely.Polygon([(WEST, NORTH), (WEST + 60, NORTH - 60), (WEST + 60, NORTH), (WEST, NORTH - 60)])
    sound = box(100, 80, 120, 100)
    with caplog.at_level("WARNING"):
        found = classify(fields([sound, bow]), lazy, tiny_checkpoint)
    assert "1 polygon has invalid rings and is repaired" in caplog.text
    assert "row 2: self-intersection" in caplog.text
    assert found.geometry.iloc[1].equals_exact(bow)
    assert found["pixels"].iloc[1] > 4


def test_heights_nulls_and_empty_geometries_pass(lazy, tiny_checkpoint):
    flat = box(100, 80, 120, 100)
    found = classify(fields([shapely.force_3d(flat, 30), None, shapely.Polygon(), flat]), lazy, tiny_checkpoint)
    assert found["pixels"].tolist() == [4, 0, 0, 4]
    assert found.geometry.has_z.tolist()[0]
    assert found["class"].isna().tolist() == [False, True, True, False]


def test_a_polygon_of_very_many_vertices_is_read_once_a_chunk(lazy, tiny_checkpoint):
    angles = np.linspace(0, 2 * np.pi, 300_000, endpoint=False)
    radius = 80 + 5 * np.sin(997 * angles)
    middle = WEST + 110, NORTH - 100
    rough = shapely.Polygon(
        np.stack([middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)], axis=1)
    )
    found = classify(fields([rough]), lazy, tiny_checkpoint)
    places = grid(HEIGHT, WIDTH)
    x, y = np.meshgrid(places["x"], places["y"])
    turn = np.arctan2(y - middle[1], x - middle[0])
    inside = np.hypot(x - middle[0], y - middle[1]) < 80 + 5 * np.sin(997 * turn)
    hidden = np.zeros_like(inside)
    hidden[3:5, 2:6] = True
    assert found["pixels"].item() == (inside & ~hidden).sum()


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        ([shapely.LineString([(0, 0), (1, 1)])], "holds a LineString in row 1: give points or polygons"),
        ([shapely.Point(WEST, NORTH), shapely.MultiPoint([(0, 0)])], "holds a MultiPoint in row 2"),
        ([shapely.Point(WEST, NORTH), shapely.box(0, 0, 1, 1)], r"points and polygons together \(row 2 is a Polygon"),
        (
            [shapely.box(0, 0, 1, 1)],
            "No parcel overlaps the cube: the parcels lie at x 0 to 1, y 0 to 1, the cube",
        ),
        ([None], "no geometry in any row"),
        ([], "no features"),
    ],
)
def test_shapes_that_cannot_be_used_are_refused(lazy, tiny_checkpoint, shapes, sentence):
    with pytest.raises(ValueError, match=sentence):
        classify(fields(shapes), lazy, tiny_checkpoint)


def test_parcels_without_system_or_identity_are_refused(lazy, tiny_checkpoint):
    square = box(0, 0, 50, 50)
    parcels = fields([square, square], id=["a", "a"], part=["x", None])
    with pytest.raises(ValueError, match="no coordinate reference system: set one"):
        classify(parcels.set_crs(None, allow_override=True), lazy, tiny_checkpoint)
    with pytest.raises(ValueError, match=r"'id' holds 'a' twice \(the second time in row 2\)"):
        classify(parcels, lazy, tiny_checkpoint, id_column="id")
    with pytest.raises(ValueError, match="'part' has no value in row 2"):
        classify(parcels, lazy, tiny_checkpoint, id_column="part")
    with pytest.raises(ValueError, match="no column 'nr'"):
        classify(parcels, lazy, tiny_checkpoint, id_column="nr")
    with pytest.raises(ValueError, match="An inset is for polygons"):
        classify(fields([square.centroid]), lazy, tiny_checkpoint, inset=5.0)


def test_columns_that_are_there_are_never_replaced(lazy, tiny_checkpoint):
    parcels = fields([box(0, 0, 50, 50)], Class=["mine"])
    with pytest.raises(ValueError, match=r"has a column 'Class' already: .*--prefix"):
        classify(parcels, lazy, tiny_checkpoint)
    found = classify(parcels, lazy, tiny_checkpoint, prefix="s2_")
    assert list(found.columns[-8:]) == [f"s2_{name}" for name in COLUMNS]
    assert found["Class"].tolist() == ["mine"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"pixels": "all"}, "`pixels` must be"),
        ({"pooling": "mode"}, "`pooling` must be"),
        ({"inset": -1}, "metres from 0"),
    ],
)
def test_options_that_are_unknown_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ParcelOptions(**settings)
