import sys
from threading import Thread

import pytest
import torch

from timesenclip_hf.runtimes.engines import RuntimeTower


def test_threads_share_a_tower(tower, exported):
    series = torch.rand(64, 12, 10)
    compute = RuntimeTower(tower.config, exported.read_bytes(), "openvino", threads=1)
    expected, results = compute(series), []
    threads = [Thread(target=lambda: results.append(compute(series))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(torch.equal(result, expected) for result in results)


def test_a_missing_extra_is_named(tower, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    compute = RuntimeTower(tower.config, b"", "onnx")
    with pytest.raises(ImportError, match=r"onnxruntime, which is not installed: run pip install .*\[export\]"):
        compute(torch.zeros(1, 12, 10))
