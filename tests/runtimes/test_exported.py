import numpy as np
import onnx
import pytest
import torch

from tests.support.small_towers import tower_inputs
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.files import weights_hash
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from timesenclip_hf.runtimes import exported as exported_module
from timesenclip_hf.runtimes.exported import export_tower
from timesenclip_hf.runtimes.options import EXPORT_RUNTIMES, ComputeOptions
from timesenclip_hf.runtimes.selection import load_tower

EXTRACTOR = TimeSenCLIPFeatureExtractor()


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
        export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "tower.pt"}, r"must end in \.onnx, got 'tower.pt'"),
        ({"output": "tower.onnx", "quantize": "int4"}, "must be int8 or left out, got 'int4'"),
        ({"output": "tower.onnx", "calibration": []}, "is for int8"),
        ({"output": "no/such/tower.onnx"}, "No such folder"),
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
