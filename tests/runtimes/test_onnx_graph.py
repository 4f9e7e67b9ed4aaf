import pytest
import torch

from tests.support.small_towers import make_tower, tower_inputs
from timesenclip_hf.runtimes.onnx_graph import FoldedGraph, MonthsGraph


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
