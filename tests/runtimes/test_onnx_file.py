import sys

import numpy as np
import onnx
import pytest
import torch

from tests.support.small_towers import make_tower
from timesenclip_hf import TimeSenCLIPFeatureExtractor
from timesenclip_hf.files import weights_hash
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from timesenclip_hf.runtimes import onnx_file as exporting
from timesenclip_hf.runtimes.engines import RUNTIMES, RuntimeTower, load_tower
from timesenclip_hf.runtimes.graph import FoldedGraph, MonthsGraph
from timesenclip_hf.runtimes.onnx_file import export_tower, make_onnx

EXTRACTOR = TimeSenCLIPFeatureExtractor()


def features(tower, count=5, time=12, seed=0):
    random = np.random.default_rng(seed)
    side = tower.config.patch_size
    patch = () if side == 1 else (side, side)
    mask = random.random((count, time)) < 0.7
    series = random.random((count, time, 10, *patch), dtype=np.float32)
    series[~mask] = np.nan
    return {"pixel_series": series, "series_mask": mask, "months": random.uniform(-3, 27, (count, time))}


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3, "hidden_act": "gelu"},
        {"patch_size": 3},
        {"patch_size": 2, "num_hidden_layers": 1},
        {"encoder_type": "mlp"},
        {"encoder_type": "tempcnn"},
    ],
    ids=str,
)
def test_the_graph_computes_what_the_tower_does(changes):
    tower = make_tower(**changes)
    graph = (FoldedGraph if tower.encoder is None else MonthsGraph)(tower).eval()
    for time in (1, 12, 19):
        given = features(tower, time=time)
        inputs = [torch.as_tensor(given[name]) for name in ("pixel_series", "series_mask", "months")]
        with torch.no_grad():
            expected = tower(*inputs, pooled_only=True).pooler_output
            found = graph(inputs[0], inputs[1], inputs[2].float())
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 1, "patch_size": 2}, {"encoder_type": "mlp"}], ids=str)
def test_what_is_exported_computes_what_the_tower_does(changes):
    tower = make_tower(**changes)
    content = make_onnx(tower).SerializeToString()
    for runtime in RUNTIMES:
        compute = RuntimeTower(tower.config, content, runtime)
        for count, time in ((1, 12), (5, 19)):
            given = features(tower, count, time)
            torch.testing.assert_close(encode(tower, given, tower=compute), encode(tower, given), atol=1e-5, rtol=0)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("count", "time"), [(1, 12), (300, 12), (5, 1), (5, 31)])
def test_a_file_serves_any_number_of_series_and_looks(tower, exported, runtime, count, time):
    compute, given = load_tower(tower, runtime, exported=exported), features(tower, count, time)
    torch.testing.assert_close(encode(tower, given, tower=compute), encode(tower, given), atol=1e-5, rtol=0)


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
        one.name: [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
        for one in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "pixel_series": ["batch", "time", 10],
        "series_mask": ["batch", "time"],
        "months": ["batch", "time"],
        "pooler_output": ["batch", 24],
    }


def test_int8_is_near_and_is_one_file_for_both_runtimes(tower, tmp_path):
    written = export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx", quantize="int8")
    assert set(written.figures) == set(RUNTIMES)
    assert min(written.figures.values()) >= 0.999
    assert "int8; mean cosine to PyTorch: onnx 0.9" in str(written)
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(written.path).graph.node)


def test_an_export_that_is_not_near_enough_leaves_nothing(tower, tmp_path, monkeypatch):
    (tmp_path / "tower.onnx").write_text("before")
    monkeypatch.setattr(exporting, "LARGEST_DIFFERENCE", 0)
    with pytest.raises(ValueError, match=r"differs from PyTorch's by .* nothing was written"):
        export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "tower.pt"}, r"must end in \.onnx, got 'tower.pt'"),
        ({"output": "tower.onnx", "quantize": "int4"}, "must be int8 or left out, got 'int4'"),
        ({"output": "tower.onnx", "calibration": "table.csv"}, "is for int8"),
        ({"output": "no/such/tower.onnx"}, "No such folder"),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(tower, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        export_tower(tower, EXTRACTOR, **options)


def test_too_few_series_to_calibrate_on_are_refused(tower, tmp_path):
    np.savez(tmp_path / "table.npz", X=np.full((3, 12, 10), 500, dtype=np.uint16))
    with pytest.raises(ValueError, match="has 3 series with a clear look, too few"):
        export_tower(tower, EXTRACTOR, tmp_path / "tower.onnx", quantize="int8", calibration=tmp_path / "table.npz")


def test_a_missing_extra_is_named(tower, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    compute = RuntimeTower(tower.config, b"", "onnx")
    with pytest.raises(ImportError, match=r'onnxruntime, which is not installed: run pip install "timesenclip_hf\[exp'):
        compute(torch.zeros(1, 12, 10))
