import pytest

from timesenclip_hf.runtimes.options import ComputeOptions


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"runtime": "tensorrt"}, "must be torch, onnx or openvino, got 'tensorrt'"),
        ({"exported": "tower.onnx"}, "needs a runtime"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"chunk_size": 0}, "`chunk_size` must be at least 1, got 0"),
        ({"threads": -1}, "`threads` must be at least 1, got -1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ComputeOptions(**settings)
