import pickle
from dataclasses import replace
from threading import Thread

import pytest
import torch

from timesenclip_hf.maps.making import model_source as module
from timesenclip_hf.maps.making.model_source import find_model
from timesenclip_hf.runtimes.options import ComputeOptions


def test_a_checkpoint_is_loaded_once_however_many_threads_ask(tiny_checkpoint, monkeypatch):
    source, _ = find_model(tiny_checkpoint, ComputeOptions(batch_size=17))
    source = pickle.loads(pickle.dumps(source))
    monkeypatch.setattr(module, "_encoders", {})
    loaded, load = [], module.PixelEncoder
    monkeypatch.setattr(module, "PixelEncoder", lambda *arguments: loaded.append(1) or load(*arguments))
    encoders = []
    threads = [Thread(target=lambda: encoders.append(source.encoder())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert len({id(encoder) for encoder in encoders}) == 1
    assert encoders[0].compute.batch_size == 17


def test_another_checkpoint_under_the_same_name_is_refused(tiny_checkpoint, monkeypatch):
    source, _ = find_model(tiny_checkpoint, ComputeOptions(batch_size=8))
    monkeypatch.setattr(module, "_encoders", {})
    object.__setattr__(source, "weights", "0" * 16)
    with pytest.raises(ValueError, match="has other weights on this worker"):
        source.encoder()


def test_a_loaded_pipeline_is_used_as_it_is(tiny_pipeline):
    source, encoder = find_model(tiny_pipeline, ComputeOptions(batch_size=8))
    assert source.encoder() is encoder
    assert encoder.model is tiny_pipeline.model


def test_a_source_is_the_same_in_whatever_form_its_options_were_given(tiny_checkpoint):
    source, encoder = find_model(tiny_checkpoint, ComputeOptions(device=torch.device("cpu"), dtype=torch.float32))
    other, same = find_model(tiny_checkpoint, ComputeOptions(device="cpu", dtype="float32"))
    assert (source.compute.device, source.compute.dtype) == ("cpu", "float32")
    assert source == other
    assert source.encoder() is same is not encoder


def test_torch_threads_share_an_encoder(tiny_checkpoint):
    before = torch.get_num_threads()
    try:
        source, encoder = find_model(tiny_checkpoint, ComputeOptions(batch_size=5, threads=1))
        assert source.encoder() is encoder
        assert torch.get_num_threads() == 1
        assert replace(source, compute=ComputeOptions(batch_size=5, threads=2)).encoder() is encoder
    finally:
        torch.set_num_threads(before)
