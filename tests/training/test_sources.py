import datasets
import numpy as np
import PIL.Image
import pytest
import torch
from datasets import ClassLabel, Image, load_from_disk

from tests.support.photo_places import point_id, write_places, write_series
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.data.schema import as_series, taxonomy_of
from training import sources
from training.sources import HOW_TO_EMBED, dataset_images, dataset_source, open_split, shuffle_photos

SIZE = 6


@pytest.fixture(scope="module")
def extractor():
    return TimeSenCLIPFeatureExtractor()


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """24 places, of which 8 are the validation; 5 has lost a photo, 7 all, and 4 has the photos of 3."""
    lost = (f"{point_id(5)}E", *(f"{point_id(7)}{side}" for side in "NESW"))
    folder = tmp_path_factory.mktemp("places")
    return write_places(folder, 24, size=SIZE, validation=8, left_out=lost, same={4: 3})


@pytest.fixture(scope="module")
def source(places, extractor):
    return dataset_source(str(places), "train", extractor)


def changed(places, folder, change):
    """A copy of the training split after `change(split)`; its folder."""
    change(load_from_disk(str(places))["train"]).save_to_disk(folder)
    return str(folder)


def test_a_row_is_a_scaled_series_and_the_embeddings_of_its_own_photos(places, source, extractor):
    split = load_from_disk(str(places))["train"]
    batch = source.rows.__getitems__([3, 0])
    expected = extractor(as_series(split.select([3, 0]).with_format("arrow")[:]), return_tensors="pt")
    torch.testing.assert_close(batch["pixel_series"], expected["pixel_series"])
    assert torch.equal(batch["series_mask"], expected["series_mask"])
    for row, point in enumerate([3, 0]):
        photos = {photo["direction"]: photo["embedding"] for photo in split[point]["photos"]}
        assert batch["photo_embeds"][row].tolist() == [photos[side] for side in "NESW"]
    assert batch["photo_mask"].all()
    assert batch["row"].tolist() == [3, 0]


def test_points_without_photos_are_left_out_and_a_missing_photo_is_masked(source):
    names = [source.rows.name(row) for row in range(len(source.rows))]
    assert names == [f"point {point_id(index)}" for index in range(16) if index != 7]
    mask = source.rows.columns["photo_mask"]
    assert mask[5].tolist() == [True, False, True, True]
    assert mask[torch.arange(len(mask)) != 5].all()
    assert source.rows.columns["photo_embeds"].isfinite().all()


def test_rows_of_one_point_share_an_id(places, tmp_path, extractor):
    twice = changed(places, tmp_path / "twice", lambda split: split.select([2, 0, 2, 3, 4]))
    ids = dataset_source(twice, "train", extractor).rows.columns["ids"]
    assert ids[0] == ids[2]
    assert len(ids.unique()) == 4


def test_with_soft_positives_rows_with_the_same_photos_share_an_id(places, extractor):
    ids = dataset_source(str(places), "train", extractor, soft_positives=True).rows.columns["ids"]
    assert ids[3] == ids[4]
    assert len(ids.unique()) == len(ids) - 1


def test_embeddings_are_compared_with_each_other_for_soft_positives_alone(places, image_places, extractor, monkeypatch):
    compared = []
    monkeypatch.setattr(sources, "photo_set_ids", lambda embeds: compared.append(len(embeds)) or np.arange(len(embeds)))
    for soft in (False, True):
        dataset_source(str(places), "train", extractor, soft_positives=soft)
        dataset_images(image_places, "train", levels, soft_positives=soft)
        assert compared == [15, 15] * soft


def test_labels_are_those_of_the_rows_with_the_prompts_of_their_taxonomy(places, extractor):
    labels = dataset_source(str(places), "train", extractor, label_columns=["land_cover", "absent"]).labels
    assert set(labels) == {"land_cover"}
    assert labels["land_cover"].truth.tolist() == [index % 8 for index in range(16) if index != 7]
    assert list(labels["land_cover"].prompts.values()) == list(taxonomy_of("land_cover").prompts.values())


def test_classes_of_ones_own_are_their_own_prompts(places, tmp_path, extractor):
    def rename(split):
        kinds = ClassLabel(names=["bog", "fen"])
        return split.add_column("kind", [index % 2 for index in range(len(split))]).cast_column("kind", kinds)

    labels = dataset_source(
        changed(places, tmp_path / "own", rename), "train", extractor, label_columns=["kind"]
    ).labels
    assert labels["kind"].prompts == {"bog": ["bog"], "fen": ["fen"]}


def test_a_limit_takes_the_first_rows(places, extractor):
    rows = dataset_source(str(places), "validation", extractor, limit=3).rows
    assert [rows.name(row) for row in range(len(rows))] == [f"point {point_id(index)}" for index in (16, 17, 18)]


def test_patches_are_read_at_their_size(tmp_path, extractor):
    folder = str(write_places(tmp_path, 6, size=SIZE, crop=5))
    batch = dataset_source(folder, "train", extractor, patch_size=5).rows.__getitems__([0, 1])
    assert batch["pixel_series"].shape == (2, 12, 10, 5, 5)
    with pytest.raises(ValueError, match=r"are 5 x 5 pixels, `patch_size` is 1: import with --crop 1, or set"):
        dataset_source(folder, "train", extractor)


def test_shuffled_photos_leave_every_series_and_take_each_photo_once(places, extractor):
    before = dataset_source(str(places), "train", extractor).rows
    after = shuffle_photos(dataset_source(str(places), "train", extractor), seed=3).rows
    everything = list(range(len(before)))
    first, second = before.__getitems__(everything), after.__getitems__(everything)
    for name in ("pixel_series", "series_mask", "months", "ids"):
        assert torch.equal(first[name], second[name])
    moved = (first["photo_embeds"] != second["photo_embeds"]).flatten(1).any(dim=1)
    assert moved.float().mean() > 0.5
    pairs = [sorted(zip(b["photo_embeds"].tolist(), b["photo_mask"].tolist(), strict=True)) for b in (first, second)]
    assert pairs[0] == pairs[1]
    again = shuffle_photos(dataset_source(str(places), "train", extractor), seed=3).rows
    assert torch.equal(again.columns["photo_embeds"], second["photo_embeds"])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """What `load_dataset` writes goes with the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_a_folder_of_an_import_is_read_too(places, tmp_path, cache):
    load_from_disk(str(places))["train"].to_parquet(tmp_path / "data" / "train-0.parquet")
    assert open_split(str(tmp_path / "data"), "train")["point_id"][0] == point_id(0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"split": "test"}, "has no split 'test', but train, validation"),
        ({"patch_size": 5}, "are 1 x 1 pixels, `patch_size` is 5: import with --crop 5, or set `patch_size` to 1"),
        ({"projection_dim": 512}, "have 6 numbers, the CLIP's joint space has 512: embed the photos with the CLIP"),
        ({"label_columns": ["kind", "soil"]}, "has none of the columns kind, soil: name class columns"),
    ],
)
def test_settings_that_do_not_fit_the_dataset_are_refused_in_one_sentence(places, extractor, settings, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        dataset_source(str(places), **{"split": "train", "extractor": extractor, **settings})
    assert "\n" not in str(caught.value)


def test_a_dataset_without_embeddings_says_how_they_are_made(places, tmp_path, extractor, cache):
    write_series(3).save_to_disk(tmp_path / "series")
    for folder in (tmp_path / "series", places.parent / "paired"):
        with pytest.raises(ValueError, match="carry no embeddings") as caught:
            dataset_source(str(folder), "train", extractor)
        assert HOW_TO_EMBED in str(caught.value)


def test_a_split_in_which_no_photo_has_an_embedding_says_so(places, tmp_path, extractor):
    alone = changed(places, tmp_path / "alone", lambda split: split.select([7]))
    with pytest.raises(ValueError, match=r"No point of .*, split train, has an observed month and a photo embedding"):
        dataset_source(alone, "train", extractor)


def test_a_column_of_the_schema_with_other_classes_has_no_prompts_of_the_schema(places, tmp_path, extractor):
    def simplify(split):
        kinds = ClassLabel(names=["wet", "dry"])
        without = split.remove_columns("land_cover").add_column(
            "land_cover", [index % 2 for index in range(len(split))]
        )
        return without.cast_column("land_cover", kinds)

    simplified = changed(places, tmp_path / "own", simplify)
    labels = dataset_source(simplified, "train", extractor, label_columns=["land_cover"]).labels
    assert labels["land_cover"].prompts == {"wet": ["wet"], "dry": ["dry"]}


@pytest.mark.parametrize("content", [None, "not a dataset"])
def test_a_folder_that_is_no_dataset_is_refused_in_one_sentence(tmp_path, content):
    folder = tmp_path / "absent"
    if content is not None:
        folder.mkdir()
        (folder / "state.json").write_text(content)
    with pytest.raises(ValueError, match="No dataset can be read from") as caught:
        open_split(str(folder), "train")
    assert "\n" not in str(caught.value)


def test_a_column_that_holds_no_classes_is_refused(places, extractor):
    with pytest.raises(ValueError, match=r"The column 'year' of .* holds no classes: name class columns"):
        dataset_source(str(places), "train", extractor, label_columns=["year"])


def test_a_place_that_was_never_seen_is_left_out(places, tmp_path, extractor):
    def hide(split):
        hidden = np.arange(len(split)) == 2
        return split.map(lambda row, index: {"observed": [not hidden[index]] * 12}, with_indices=True)

    rows = dataset_source(changed(places, tmp_path / "hidden", hide), "train", extractor).rows
    assert f"point {point_id(2)}" not in [rows.name(row) for row in range(len(rows))]


def picture(index):
    """Draw a picture of one grey level, by which it can be told."""
    return PIL.Image.new("RGB", (8, 8), (index,) * 3)


def levels(images):
    """A batch in place of pixel values: the grey level of each image."""
    return torch.tensor([[float(image.getpixel((0, 0))[0])] for image in images])


@pytest.fixture(scope="module")
def image_places(places, tmp_path_factory):
    """The training split of the places with an image of each in place of its series."""
    split = load_from_disk(str(places))["train"].remove_columns(["series", "observed", "months"])
    pictures = datasets.Dataset.from_dict({"image": [picture(index) for index in range(len(split))]})
    folder = tmp_path_factory.mktemp("images")
    images = datasets.concatenate_datasets([split, pictures.cast_column("image", Image())], axis=1)
    images.save_to_disk(folder)
    return str(folder)


def test_a_row_is_a_prepared_image_and_the_embeddings_of_its_own_photos(image_places, source):
    images = dataset_images(image_places, "train", levels, label_columns=["land_cover"], projection_dim=SIZE)
    batch = images.rows.__getitems__([8, 3])
    # Place 7 has no photos and is left out.
    assert batch["pixel_values"].tolist() == [[9.0], [3.0]]
    series = source.rows.__getitems__([8, 3])
    for name in ("photo_embeds", "photo_mask", "ids"):
        assert torch.equal(batch[name], series[name])
    assert images.rows.name(8) == f"point {point_id(9)}"
    assert images.labels["land_cover"].truth.tolist() == [index % 8 for index in range(16) if index != 7]


def test_images_with_shuffled_photos_keep_their_places(image_places):
    after = shuffle_photos(dataset_images(image_places, "train", levels), seed=3).rows
    assert after.__getitems__([0, 1])["pixel_values"].tolist() == [[0.0], [1.0]]


def test_a_dataset_without_images_is_refused(places):
    with pytest.raises(ValueError, match="has no column 'image': its columns are"):
        dataset_images(str(places), "train", levels)


def test_images_whose_photos_are_of_another_clip_are_refused(image_places):
    with pytest.raises(ValueError, match="have 6 numbers, the CLIP's joint space has 512"):
        dataset_images(image_places, "train", levels, projection_dim=512)
