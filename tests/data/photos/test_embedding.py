import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, BertConfig, CLIPConfig, CLIPModel

from tests.support.photo_server import draw_photo
from timesenclip_hf.data.photos.embedding import PhotoEncoder, embed_photos, list_photos
from timesenclip_hf.data.photos.embedding_shards import finish_embeddings, read_embeddings
from timesenclip_hf.data.sources.lucas import photo_path

IDS = [f"{number}" for number in range(38_023_000, 38_023_006)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six points of 2018 with four photos each."""
    folder = tmp_path_factory.mktemp("photos")
    for number, point_id in enumerate(IDS):
        for place, direction in enumerate("NESW"):
            write(folder, point_id, direction, draw_photo(4 * number + place, side=40))
    return folder


@pytest.fixture(scope="module")
def encoder(tiny_clip):
    return PhotoEncoder(tiny_clip)


def write(folder, point_id, direction, content, year=2018):
    file = folder / photo_path(point_id, year, "BE", direction)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def embed(folder, output, encoder, **options):
    embed_photos(folder, output, encoder, progress=False, **{"batch_size": 3, "shard_size": 5, **options})


def test_photos_of_every_layout_are_listed_with_what_they_show(tmp_path):
    names = {
        "2018/BE/380/231/38023110N.jpg": ("38023110", 2018, "BE", "N"),
        "LUCAS2015/FR/323/628/32362878C.JPG": ("32362878", 2015, "FR", "C"),
        "2022/IE/316/036/202231603628LCLU_West.jpg": ("31603628", 2022, "IE", "W"),
        "2022/IE/316/036/202231603628LCLU_CropLC1.jpg": ("31603628", 2022, "IE", "C"),
    }
    others = ("2022/IE/316/036/202231603628GRASS_TransectAbove.jpg", "notes.txt", "38023110N.jpg")
    for name in [*names, *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [(tuple(photo)[:4], photo.path) for photo in list_photos(tmp_path)] == sorted(
        ((shown, name) for name, shown in names.items()), key=lambda pair: pair[1]
    )


def test_embeddings_are_those_of_the_stock_clip(photos, encoder, tiny_clip, tmp_path):
    embed(photos, tmp_path / "out", encoder)
    report = finish_embeddings(tmp_path / "out")
    assert (report.rows, report.size, report.problems) == (24, 32, [])
    rows = read_embeddings(tmp_path / "out", cache_dir=str(tmp_path / "cache")).with_format("numpy")
    clip, processor = CLIPModel.from_pretrained(tiny_clip).eval(), AutoImageProcessor.from_pretrained(tiny_clip)
    for row, photo in zip(rows, list_photos(photos), strict=True):
        assert (row["point_id"], row["direction"], row["year"]) == (photo.point_id, photo.direction, 2018)
        values = processor(Image.open(photos / photo.path), return_tensors="pt")
        with torch.no_grad():
            expected = clip.get_image_features(**values).pooler_output[0]
        np.testing.assert_allclose(row["embedding"], expected, atol=1e-6)


@pytest.mark.parametrize(("processes", "workers"), [(3, 0), (1, 1)])
def test_processes_that_share_the_work_write_what_one_writes(photos, encoder, tmp_path, processes, workers):
    embed(photos, tmp_path / "one", encoder)
    for rank in range(processes):
        embed(photos, tmp_path / "several", encoder, share=(rank, processes), workers=workers)
    one, several = (finish_embeddings(tmp_path / name) for name in ("one", "several"))
    assert one.content_hash == several.content_hash


def test_missing_shards_are_named_and_only_they_are_computed_again(photos, encoder, tmp_path):
    embed(photos, tmp_path / "out", encoder)
    whole = finish_embeddings(tmp_path / "out")
    shards = sorted((tmp_path / "out").glob("*.parquet"))
    before = {shard.name: shard.stat().st_mtime_ns for shard in shards}
    shards[2].unlink()
    with pytest.raises(ValueError, match=r"lacks 1 of 5 shards, the first embeddings-00002-of-00005.parquet"):
        finish_embeddings(tmp_path / "out")
    embed(photos, tmp_path / "out", encoder)
    assert finish_embeddings(tmp_path / "out").content_hash == whole.content_hash
    changed = [shard.name for shard in shards if shard.stat().st_mtime_ns != before[shard.name]]
    assert changed == ["embeddings-00002-of-00005.parquet"]


def test_unreadable_photos_are_counted_and_named(encoder, tmp_path):
    write(tmp_path / "photos", IDS[0], "N", draw_photo())
    write(tmp_path / "photos", IDS[0], "E", b"")
    write(tmp_path / "photos", IDS[0], "S", draw_photo()[:900])
    embed(tmp_path / "photos", tmp_path / "out", encoder)
    report = finish_embeddings(tmp_path / "out")
    assert report.rows == 1
    assert {(problem.reason, problem.source[-5:]) for problem in report.problems} == {
        ("photo of zero bytes", "E.jpg"),
        ("photo unreadable", "S.jpg"),
    }
    assert "photo of zero bytes: 1" in str(report)


def test_a_shard_without_any_readable_photo_is_written_too(encoder, tmp_path):
    for direction in "NESW":
        write(tmp_path / "photos", IDS[0], direction, b"")
    write(tmp_path / "photos", IDS[1], "N", draw_photo())
    embed(tmp_path / "photos", tmp_path / "out", encoder, shard_size=2)
    report = finish_embeddings(tmp_path / "out")
    assert (report.rows, len(report.problems)) == (1, 4)


def test_a_photo_taken_with_a_turned_camera_is_embedded_upright(encoder, tmp_path):
    upright = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    for direction, image, given in (("N", upright, None), ("E", upright.rotate(90), exif)):
        file = write(tmp_path / "photos", IDS[0], direction, b"")
        image.save(file, "JPEG", quality=100, subsampling=0, **({"exif": given} if given else {}))
    embed(tmp_path / "photos", tmp_path / "out", encoder)
    finish_embeddings(tmp_path / "out")
    rows = read_embeddings(tmp_path / "out", cache_dir=str(tmp_path / "cache")).with_format("numpy")["embedding"][:]
    np.testing.assert_allclose(rows[0], rows[1], atol=0.05)


def test_lower_precision_gives_nearly_the_same_embeddings(photos, encoder, tiny_clip, tmp_path):
    vectors = []
    for dtype in ("float32", "bfloat16"):
        embed(photos, tmp_path / dtype, PhotoEncoder(tiny_clip, dtype=dtype))
        finish_embeddings(tmp_path / dtype)
        rows = read_embeddings(tmp_path / dtype, cache_dir=str(tmp_path / "cache")).with_format("torch")
        vectors.append(torch.nn.functional.normalize(rows["embedding"][:], dim=1))
    assert (vectors[0] * vectors[1]).sum(dim=1).min() > 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [({"shard_size": 6}, "other shard_size"), ({"batch_size": 0}, "at least 1"), ({"share": (2, 2)}, "`share` below")],
)
def test_what_does_not_go_on_with_the_shards_is_refused(photos, encoder, tmp_path, change, message):
    embed(photos, tmp_path / "out", encoder)
    with pytest.raises(ValueError, match=message):
        embed(photos, tmp_path / "out", encoder, **change)


def test_other_photos_do_not_go_into_the_same_folder(photos, encoder, tmp_path):
    embed(photos, tmp_path / "out", encoder)
    write(tmp_path / "photos", IDS[0], "N", draw_photo())
    with pytest.raises(ValueError, match="other photos"):
        embed(tmp_path / "photos", tmp_path / "out", encoder)


def test_what_is_no_clip_is_refused_in_one_line(tiny_clip, tmp_path):
    with pytest.raises(ValueError, match="No CLIP vision tower can be read from"):
        PhotoEncoder(tmp_path)
    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="its model is of the type bert"):
        PhotoEncoder(tmp_path / "bert")
    damaged = shutil.copytree(tiny_clip, tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"No CLIP vision tower can be read from .*damaged"):
        PhotoEncoder(damaged)
    CLIPConfig().save_pretrained(tmp_path / "empty")
    with pytest.raises(ValueError, match="No CLIP vision tower can be read from"):
        PhotoEncoder(tmp_path / "empty")
    with pytest.raises(ValueError, match="one of float32, bfloat16, float16, got 'int8'"):
        PhotoEncoder(tiny_clip, dtype="int8")


def test_a_whole_checkpoint_of_this_package_embeds_photos_too(tiny_checkpoint, encoder):
    values = torch.randn(2, 3, 32, 32)
    np.testing.assert_allclose(PhotoEncoder(tiny_checkpoint).embed(values), encoder.embed(values), atol=1e-6)


def test_a_folder_without_photos_is_refused_in_one_line(encoder, tmp_path):
    with pytest.raises(ValueError, match=r"no photo at a path of the survey, such as 2018/BE"):
        embed(tmp_path, tmp_path / "out", encoder)
    with pytest.raises(FileNotFoundError, match="No such folder of photos"):
        embed(tmp_path / "absent", tmp_path / "out", encoder)


@pytest.mark.real_data
def test_the_real_photos_are_embedded(real_data, encoder, tmp_path):
    embed(real_data / "lucas_photos_32", tmp_path / "out", encoder, batch_size=8, shard_size=16)
    report = finish_embeddings(tmp_path / "out")
    assert (report.rows, report.problems) == (32, [])
