import pytest
import torch

from tests.support.small_towers import make_tower, tower_inputs
from timesenclip_hf.models.timesenclip.encoding_timesenclip import encode
from timesenclip_hf.runtimes.engines import RuntimeTower
from timesenclip_hf.runtimes.onnx_model import FoldedGraph, MonthsGraph, make_onnx
from timesenclip_hf.runtimes.options import EXPORT_RUNTIMES


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
        inputs = tower_inputs(tower, time=time)
        series, mask, months = (torch.as_tensor(inputs[name]) for name in ("pixel_series", "series_mask", "months"))
        with torch.no_grad():
            expected = tower(series, mask, months, pooled_only=True).pooler_output
            pooled = graph(series, mask, months.float())
        torch.testing.assert_close(pooled, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 1, "patch_size": 2}, {"encoder_type": "mlp"}], ids=str)
def test_what_is_exported_computes_what_the_tower_does(changes):
    tower = make_tower(**changes)
    content = make_onnx(tower).SerializeToString()
    for runtime in EXPORT_RUNTIMES:
        compute = RuntimeTower(tower.config, content, runtime)
        for count, time in ((1, 12), (5, 19)):
            inputs = tower_inputs(tower, count, time)
            torch.testing.assert_close(encode(tower, inputs, tower=compute), encode(tower, inputs), atol=1e-5, rtol=0)
