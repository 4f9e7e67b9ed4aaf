import numpy as np
import pytest
import torch

from tests.support.fitted_sets import fitted_from, left_as_words
from tests.support.small_cubes import MONTHS, small_cube
from timesenclip_hf.maps import MapOptions, MapRun, map_cube, map_label_sets, open_cube, stored_embeddings
from timesenclip_hf.models.timesenclip.bands_timesenclip import BANDS
from timesenclip_hf.models.timesenclip.label_set_timesenclip import label_set_from_words
from timesenclip_hf.runtimes.options import ComputeOptions

LABELS = ["maize", "broad-leaved woodland", "water"]
LAYERS = ("class", "probability", "entropy", "margin", "clear_months")


@pytest.fixture(scope="module")
def words(tiny_pipeline):
    return label_set_from_words(tiny_pipeline.model, tiny_pipeline.processor, LABELS)


@pytest.fixture
def cube():
    return open_cube(small_cube(14, 11), chunks=6)


def same(mapped, other) -> bool:
    return all(np.array_equal(mapped[name], other[name], equal_nan=True) for name in LAYERS)


def run(cube, path, labels, tiny_checkpoint, **options):
    return MapRun(cube, path, labels, tiny_checkpoint, options=MapOptions(**options)).execute(progress=False)


@pytest.mark.parametrize("bands", [0, 10])
def test_a_map_of_a_fitted_set_says_what_the_pipeline_says(tiny_pipeline, words, bands):
    cube, fitted = small_cube(4, 3), fitted_from(words, with_values=bands)
    mapped = map_cube(cube, fitted, tiny_pipeline, progress=False)
    series = np.stack([cube[band].values for band in BANDS], axis=1).transpose(2, 3, 0, 1)
    for row, column in np.ndindex(4, 3):
        best = tiny_pipeline(series[row, column], fitted, dates=MONTHS)[0]
        here = mapped.isel(y=row, x=column)
        assert LABELS[int(here["class"]) - 1] == best["label"]
        assert float(here["probability"]) == pytest.approx(best["score"], abs=1e-5)
    assert mapped.attrs["labels"] == LABELS
    assert mapped.attrs["fitted_to_examples"] == ["maize 3", "broad-leaved woodland 4", "water 5"]


def test_maps_without_an_example_are_those_of_the_words_bit_for_bit(tmp_path, cube, words, tiny_checkpoint):
    plain = run(cube, tmp_path / "plain", LABELS, tiny_checkpoint, embeddings="float16")[""]
    left = run(cube, tmp_path / "left", left_as_words(words), tiny_checkpoint, embeddings="float16")[""]
    assert same(left, plain)
    assert "fitted_to_examples" not in plain.attrs
    kept = stored_embeddings(tmp_path / "plain")
    again = run(kept, tmp_path / "again", LABELS, tiny_checkpoint)[""]
    assert same(run(kept, tmp_path / "relabelled", left_as_words(words), tiny_checkpoint)[""], again)


@pytest.mark.parametrize(("kind", "tolerance"), [("float16", 1e-3), ("int8", 2e-2)])
def test_stored_embeddings_are_mapped_by_a_fitted_set(tmp_path, cube, words, tiny_checkpoint, kind, tolerance):
    run(cube, tmp_path / "run", LABELS, tiny_checkpoint, embeddings=kind)
    fitted = fitted_from(words)
    expected = map_cube(cube.compute(), fitted, tiny_checkpoint, progress=False)
    mapped = run(stored_embeddings(tmp_path / "run"), tmp_path / "other", fitted, tiny_checkpoint)[""]
    np.testing.assert_allclose(mapped["probability"], expected["probability"], atol=tolerance)
    assert mapped.attrs["fitted_to_examples"] == expected.attrs["fitted_to_examples"]
    with pytest.raises(ValueError, match="reads monthly values, which a map does not store: map the cube itself"):
        run(stored_embeddings(tmp_path / "run"), tmp_path / "x", fitted_from(words, with_values=10), tiny_checkpoint)


def test_words_and_a_fitted_set_are_mapped_in_one_pass(tiny_pipeline, words):
    cube, fitted = small_cube(5, 4), fitted_from(words, with_values=10)
    maps = map_label_sets(cube, {"words": LABELS, "fitted": fitted}, tiny_pipeline, progress=False)
    assert same(maps["words"], map_cube(cube, LABELS, tiny_pipeline, progress=False))
    assert same(maps["fitted"], map_cube(cube, fitted, tiny_pipeline, progress=False))
    assert "fitted_to_examples" not in maps["words"].attrs
    assert "fitted_to_examples" in maps["fitted"].attrs


def test_a_run_of_another_fit_is_another_run_and_the_same_goes_on(tmp_path, cube, words, tiny_checkpoint):
    run(cube, tmp_path / "run", fitted_from(words), tiny_checkpoint)
    again = MapRun(cube, tmp_path / "run", fitted_from(words), tiny_checkpoint)
    assert not again.left
    for other in (fitted_from(words, seed=1), LABELS):
        with pytest.raises(ValueError, match="holds a run with another fitted label set"):
            MapRun(cube, tmp_path / "run", other, tiny_checkpoint)


def test_classes_of_a_fitted_set_are_grouped_by_a_hierarchy_of_their_names(tiny_pipeline, words):
    cube, fitted = small_cube(4, 3), fitted_from(words)
    groups = MapOptions(hierarchy={"plants": LABELS[:2], "rest": LABELS[2:]})
    mapped = map_cube(cube, fitted, tiny_pipeline, options=groups, progress=False)
    assert mapped.attrs["coarse_labels"] == ["plants", "rest"]
    assert same(mapped, map_cube(cube, fitted, tiny_pipeline, progress=False))
    for hierarchy, message in [
        ({"plants": LABELS[:2]}, "'water' is in the labels or in the hierarchy but not in both"),
        ({"plants": fitted}, "`candidate_labels` must be words here"),
        (fitted, "A hierarchy is "),
    ]:
        with pytest.raises(ValueError, match=message):
            map_cube(cube, fitted, tiny_pipeline, options=MapOptions(hierarchy=hierarchy), progress=False)


def test_a_set_of_other_weights_and_one_beside_a_template_are_refused(tiny_pipeline, words):
    cube, fitted = small_cube(4, 3), fitted_from(words)
    object.__setattr__(fitted, "weights_hash", "0" * 16)
    with pytest.raises(ValueError, match="a checkpoint with other weights"):
        map_cube(cube, fitted, tiny_pipeline, progress=False)
    template = MapOptions(hypothesis_template="{}")
    with pytest.raises(ValueError, match="`hypothesis_template` is for words"):
        map_cube(cube, fitted_from(words), tiny_pipeline, options=template, progress=False)


def test_series_embedded_in_another_precision_are_scored_by_a_fitted_set_as_by_words(tiny_pipeline, words):
    cube, narrow = small_cube(5, 4), ComputeOptions(dtype="bfloat16")
    fitted = fitted_from(words, with_values=10)
    expected = map_cube(cube, fitted, tiny_pipeline, progress=False)
    try:
        mapped = map_cube(cube, fitted, tiny_pipeline, compute=narrow, progress=False)
    except ValueError as error:  # this processor does not compute in it
        pytest.skip(str(error))
    np.testing.assert_allclose(mapped["probability"], expected["probability"], atol=5e-2)
    assert torch.isfinite(torch.from_numpy(mapped["probability"].values)).all()
