import pickle

import numpy as np
import pytest
import torch

from tests.support.small_cubes import small_cube
from tests.support.small_towers import make_tower
from timesenclip_hf.classification import PixelClassifier, load_pipeline
from timesenclip_hf.maps import map_cube
from timesenclip_hf.maps.making import model_source
from timesenclip_hf.maps.making.model_source import find_model
from timesenclip_hf.runtimes.exported import export_tower
from timesenclip_hf.runtimes.options import EXPORT_RUNTIMES, ComputeOptions
from timesenclip_hf.runtimes.selection import load_tower

LABELS = ["maize", "woodland", "water"]


def test_months_and_mask_may_be_left_out_as_with_the_model(tower, exported):
    series = torch.rand(3, 12, 10)
    with torch.no_grad():
        expected = tower(series).pooler_output
    for runtime in EXPORT_RUNTIMES:
        compute = load_tower(tower, ComputeOptions(runtime=runtime, exported=exported))
        torch.testing.assert_close(compute(series), expected, atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(compute(series[..., None, None]), expected, atol=2e-5, rtol=1e-5)
        with pytest.raises(ValueError, match="needs `months`"):
            compute(series[:, :5])


def test_a_file_of_another_checkpoint_is_refused(exported):
    with pytest.raises(ValueError, match=r"another checkpoint: expected weights \w{16}, got \w{16}; export this one"):
        load_tower(make_tower(num_hidden_layers=1), ComputeOptions(runtime="openvino", exported=exported))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such exported tower"), (b"no", "damaged, or no ONNX file"), (b"", "was not written by this version")],
)
def test_what_is_no_exported_tower_is_refused(tower, tmp_path, content, message):
    path = tmp_path / "tower.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_tower(tower, ComputeOptions(runtime="openvino", exported=path))


def test_what_a_runtime_does_not_compute_is_refused(tower, exported):
    with pytest.raises(ValueError, match="onnx does not compute in bfloat16"):
        load_tower(tower, ComputeOptions(runtime="onnx", exported=exported, dtype="bfloat16"))


def test_torch_needs_no_tower_of_another_kind(tower):
    assert load_tower(tower, ComputeOptions()) is None


@pytest.mark.parametrize("runtime", EXPORT_RUNTIMES)
def test_series_are_classified_and_maps_are_drawn_alike(runtime, tiny_checkpoint):
    series = np.random.default_rng(0).integers(200, 4000, (9, 12, 10), dtype=np.uint16)
    expected, _ = PixelClassifier(LABELS, tiny_checkpoint).probabilities(series)
    probabilities, _ = PixelClassifier(LABELS, tiny_checkpoint, compute=ComputeOptions(runtime=runtime)).probabilities(
        series
    )
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    mapped, usual = (
        map_cube(small_cube(), LABELS, tiny_checkpoint, progress=False, compute=compute)
        for compute in (ComputeOptions(runtime=runtime), ComputeOptions())
    )
    np.testing.assert_array_equal(mapped["class"], usual["class"])
    assert mapped.attrs["runtime"] == runtime
    assert "runtime" not in usual.attrs


def test_a_worker_is_told_runtime_file_and_threads(tiny_checkpoint, tmp_path, monkeypatch):
    loaded = load_pipeline(tiny_checkpoint, None)
    path = export_tower(loaded.model, loaded.processor.feature_extractor, tmp_path / "tower.onnx").path
    compute = ComputeOptions(batch_size=8, runtime="openvino", exported=path, threads=1)
    source, _ = find_model(tiny_checkpoint, compute)
    source = pickle.loads(pickle.dumps(source))
    assert source.tower.startswith("float32 ")
    monkeypatch.setattr(model_source, "_encoders", {})
    before = torch.get_num_threads()
    try:
        assert source.encoder().tower.threads == 1
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(model_source, "_encoders", {})
    object.__setattr__(source, "tower", "float32 0000")
    with pytest.raises(ValueError, match="is another on this worker"):
        source.encoder()
