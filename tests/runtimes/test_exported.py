import pickle

import numpy as np
import onnx
import pytest
import torch

from tests.support.small_cubes import small_cube
from tests.support.small_towers import make_tower, tower_inputs
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.classification import PixelClassifier, load_pipeline
from timesenclip_hf.maps import map_cube
from timesenclip_hf.maps.making import model_source
from timesenclip_hf.maps.making.model_source import find_model
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from timesenclip_hf.models.timesenclip.weights_timesenclip import weights_hash
from timesenclip_hf.runtimes import exported as exported_module
from timesenclip_hf.runtimes.exported import export_tower, load_tower
from timesenclip_hf.runtimes.options import EXPORT_RUNTIMES, ComputeOptions

EXTRACTOR = TimeSenCLIPFeatureExtractor()
LABELS = ["maize", "woodland", "water"]


@pytest.mark.parametrize("runtime", EXPORT_RUNTIMES)
@pytest.mark.parametrize(("count", "time"), [(1, 12), (300, 12), (5, 1), (5, 31)])
def test_a_file_serves_any_number_of_series_and_time_steps(tower, exported, runtime, count, time):
    compute, inputs = (
        load_tower(tower, ComputeOptions(runtime=runtime, exported=exported)),
        tower_inputs(tower, count, time),
    )
    torch.testing.assert_close(encode(tower, inputs, tower=compute), encode(tower, inputs), atol=1e-5, rtol=0)


def test_a_file_says_what_it_is_and_nothing_of_where_it_was_made(tower, exported):
    model = onnx.load(exported)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "package": "timesenclip_hf",
        "format_version": "1",
        "precision": "float32",
        "weights_sha256": weights_hash(tower.state_dict()),
        "projection_dim": "24",
        "band_names": "B02,B03,B04,B05,B06,B07,B08,B8A,B11,B12",
    }
    assert b"/src/" not in exported.read_bytes()
    shapes = {
        tensor.name: [axis.dim_param or axis.dim_value for axis in tensor.type.tensor_type.shape.dim]
        for tensor in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "pixel_series": ["batch", "time", 10],
        "series_mask": ["batch", "time"],
        "months": ["batch", "time"],
        "pooler_output": ["batch", 24],
    }


def test_int8_is_near_and_is_one_file_for_both_runtimes(tower, tmp_path):
    written = export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx", quantize="int8")
    assert set(written.figures) == set(EXPORT_RUNTIMES)
    assert min(written.figures.values()) >= 0.999
    assert "int8; mean cosine to PyTorch: onnx 0.9" in str(written)
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(written.path).graph.node)


def test_an_export_that_is_not_near_enough_leaves_nothing(tower, tmp_path, monkeypatch):
    (tmp_path / "tower.onnx").write_text("before")
    monkeypatch.setattr(exported_module, "LARGEST_DIFFERENCE", 0)
    with pytest.raises(ValueError, match=r"differs from PyTorch's by .* nothing was written"):
        export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx", overwrite=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "tower.pt"}, r"must end in \.onnx, got 'tower.pt'"),
        ({"output": "tower.onnx", "quantize": "int4"}, "must be int8 or left out, got 'int4'"),
        ({"output": "tower.onnx", "calibration": []}, "is for int8"),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(tower, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        export_tower(tower, EXTRACTOR, **options)


def test_too_few_series_to_calibrate_on_are_refused(tower, tmp_path):
    series = np.full((3, 12, 10), 500, dtype=np.uint16)
    with pytest.raises(ValueError, match="Only 3 series have an observation, too few"):
        export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx", quantize="int8", calibration=series)


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


@pytest.mark.parametrize("runtime", EXPORT_RUNTIMES)
@pytest.mark.parametrize("where", ["weights", "a branch"])
def test_a_file_whose_numbers_are_in_another_file_is_refused(tower, exported, tmp_path, runtime, where):
    model = onnx.load(exported)
    tensor = onnx.TensorProto(name="secret", data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(tmp_path / "secret"))
    if where == "weights":
        model.graph.initializer.append(tensor)
    else:
        branch = onnx.helper.make_graph([], "branch", [], [], [tensor])
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("then_branch", branch))
    path = tmp_path / "tower.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="keeps numbers in another file: write it again with timesenclip export"):
        load_tower(tower, ComputeOptions(runtime=runtime, exported=path))


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
