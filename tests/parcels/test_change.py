"""Change between runs: the same whatever their chunks, and refused where two years cannot be compared."""

import shutil

import numpy as np
import pytest

from tests.support.small_cubes import small_cube
from timesenclip_hf.classification import class_probabilities
from timesenclip_hf.maps import MapOptions, MapRun, open_cube, stored_embeddings
from timesenclip_hf.maps.making.blocks import stored_embedded
from timesenclip_hf.maps.making.model_source import find_model
from timesenclip_hf.models.timesenclip.label_set_timesenclip import as_label_set
from timesenclip_hf.parcels import ChangeOptions, detect_change
from timesenclip_hf.parcels.change_probability import change_probability, fit_pairs, pair_likelihoods, sharpened

LABELS = ["maize", "meadow", "water"]


def map_year(store, model, cube, embeddings="int8", chunks=None):
    opened = open_cube(cube, chunks=chunks) if chunks else open_cube(cube)
    MapRun(opened, store, LABELS, model, options=MapOptions(embeddings=embeddings)).execute(progress=False)
    return store


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_checkpoint):
    """Two years of 9 x 7 pixels, the later one in chunks of four and without data in a corner."""
    folder = tmp_path_factory.mktemp("runs")
    later = small_cube(9, 7, seed=1)
    for band in later.data_vars:
        later[band].values[:, :2, :2] = 65535
        later[band].attrs["_FillValue"] = 65535
    first = map_year(folder / "2019.run", tiny_checkpoint, small_cube(9, 7))
    return first, map_year(folder / "2024.run", tiny_checkpoint, later, "float16", chunks=4)


def test_layers_follow_from_the_probabilities_of_both_years(runs, tiny_checkpoint):
    change = detect_change(*runs, LABELS, tiny_checkpoint, options=ChangeOptions(threshold=0.3))
    encoder = find_model(str(tiny_checkpoint))[1]
    label_set = as_label_set(encoder.model, encoder.processor, LABELS)
    years = [stored_embedded(stored_embeddings(run).compute()) for run in runs]
    seen = years[0].observed & years[1].observed
    p, q = (class_probabilities(year, label_set)[seen] for year in years)
    model = fit_pairs(p, q)
    same, different = pair_likelihoods(sharpened(p, model.sharpness), sharpened(q, model.sharpness), model)
    probability = change_probability(different / same, model.prior)
    np.testing.assert_allclose(change["probability"].values.ravel()[seen], probability, rtol=1e-5)
    vectors = [year.embeds.numpy()[seen[year.observed]] for year in years]
    distance = 1 - (vectors[0] * vectors[1]).sum(axis=1)
    np.testing.assert_allclose(change["distance"].values.ravel()[seen], distance, atol=1e-6)
    changed = (change["from"] != change["to"]).values.ravel()[seen]
    np.testing.assert_array_equal(changed, probability >= 0.3)
    assert change.attrs["prior"] == pytest.approx(model.prior)


def test_what_a_year_does_not_see_has_no_class_and_is_counted(runs, tiny_checkpoint):
    change = detect_change(*runs, LABELS, tiny_checkpoint)
    corner = change.isel(y=slice(0, 2), x=slice(0, 2))
    for name in ("class", "from", "to"):
        assert (corner[name] == 0).all()
    assert corner["probability"].isnull().all()
    assert change.attrs["hectares_without_data"] == pytest.approx(4 * 0.01)
    assert np.sum(change.attrs["hectares"]) == pytest.approx(59 * 0.01)
    assert change.attrs["years"] == ["2019", "2024"]


def test_a_store_holds_what_memory_does(runs, tiny_checkpoint, tmp_path):
    options = ChangeOptions(threshold=0.2, prior=0.5, minimum_area=0.02)
    kept = detect_change(*runs, LABELS, tiny_checkpoint, options=options, store=tmp_path / "change.zarr")
    held = detect_change(*runs, LABELS, tiny_checkpoint, options=options)
    assert kept["class"].chunks
    assert kept.attrs == held.attrs
    for name in held.data_vars:
        np.testing.assert_array_equal(kept[name].values, held[name].values)
    assert kept.rio.crs == held.rio.crs


def test_the_first_year_against_itself_has_not_changed(runs, tiny_checkpoint):
    change = detect_change(runs[0], runs[0], LABELS, tiny_checkpoint)
    assert change.attrs["labels"] == ["no change"]
    assert change["distance"].max() < 1e-6


def test_a_year_that_the_runs_tell_twice_is_noted(runs, tiny_checkpoint, tmp_path):
    from dataclasses import replace

    from timesenclip_hf import SeriesOptions

    reading = replace(SeriesOptions(), year=2018)
    MapRun(
        open_cube(small_cube(9, 7)),
        tmp_path / "told.run",
        LABELS,
        tiny_checkpoint,
        options=MapOptions(embeddings="int8"),
        reading=reading,
    ).execute(progress=False)
    change = detect_change(tmp_path / "told.run", tmp_path / "told.run", LABELS, tiny_checkpoint)
    assert change.attrs["years"] == [2018, 2018]
    assert change.attrs["notes"] == ["both runs are of 2018"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (small_cube(9, 8), r"sizes \(9 x 7 and 9 x 8 pixels\)"),
        (
            small_cube(9, 7).assign_coords(x=small_cube(9, 7)["x"] + 5),
            r"pixels \(the first is at 500005, .* and 500010",
        ),
        (small_cube(9, 7).rio.write_crs("EPSG:32632"), r"coordinate reference systems \(EPSG:32631 and EPSG:32632\)"),
    ],
)
def test_another_grid_is_refused_in_one_sentence(runs, tiny_checkpoint, tmp_path, other, told):
    run = map_year(tmp_path / "other.run", tiny_checkpoint, other)
    with pytest.raises(
        ValueError, match=rf"2019\.run and .*other\.run differ in their {told}.*: map both years on one"
    ):
        detect_change(runs[0], run, LABELS, tiny_checkpoint)


def test_a_run_without_embeddings_or_an_end_is_refused(runs, tiny_checkpoint, tmp_path):
    plain = map_year(tmp_path / "plain.run", tiny_checkpoint, small_cube(9, 7), None)
    with pytest.raises(ValueError, match="has no embeddings: map with `embeddings` first"):
        detect_change(runs[0], plain, LABELS, tiny_checkpoint)
    shutil.copytree(runs[0], tmp_path / "stopped.run")
    manifest = tmp_path / "stopped.run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"outcome"', '"result"'))
    with pytest.raises(ValueError, match="holds no finished map"):
        detect_change(tmp_path / "stopped.run", runs[1], LABELS, tiny_checkpoint)


def test_embeddings_of_two_checkpoints_or_of_another_are_refused(runs, tiny_checkpoint, tmp_path):
    import torch
    from transformers import AutoModel

    shutil.copytree(tiny_checkpoint, tmp_path / "other")
    model = AutoModel.from_pretrained(tmp_path / "other")
    with torch.no_grad():
        model.pixel_model.get_parameter(next(name for name, _ in model.pixel_model.named_parameters())).add_(0.1)
    model.save_pretrained(tmp_path / "other")
    foreign = map_year(tmp_path / "foreign.run", tmp_path / "other", small_cube(9, 7))
    with pytest.raises(ValueError, match=r"are of checkpoints with other weights .*: map one of them again"):
        detect_change(runs[0], foreign, LABELS, tiny_checkpoint)
    with pytest.raises(ValueError, match=r"whose weights are not those of .*: name the same checkpoint"):
        detect_change(*runs, LABELS, tmp_path / "other")


def test_one_class_cannot_change(runs, tiny_checkpoint):
    with pytest.raises(ValueError, match="give two at least, got 'maize' alone"):
        detect_change(*runs, ["maize"], tiny_checkpoint)


def test_years_that_see_no_pixel_together_are_refused(runs, tiny_checkpoint, tmp_path):
    blind = small_cube(9, 7)
    for band in blind.data_vars:
        blind[band].values[:] = 65535
        blind[band].values[:, :2, :2] = 500
        blind[band].attrs["_FillValue"] = 65535
    run = map_year(tmp_path / "blind.run", tiny_checkpoint, blind)
    with pytest.raises(ValueError, match="No pixel has data in both years"):
        detect_change(run, runs[1], LABELS, tiny_checkpoint)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"threshold": 1.5}, "probability between 0 and 1, got 1.5"),
        ({"prior": -0.1}, r"The prior is the share of the land that changed, from 0 to 1, got -0\.1"),
        ({"minimum_area": -1}, "The minimum area is in hectares, from 0 on, got -1"),
        ({"minimum_area": float("nan")}, "The minimum area is in hectares, from 0 on, got nan"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        ChangeOptions(**wrong)
