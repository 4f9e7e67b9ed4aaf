import pytest
from transformers import pipeline


@pytest.fixture(scope="session")
def tiny_pipeline(tiny_checkpoint):
    return pipeline("zero-shot-pixel-classification", model=str(tiny_checkpoint))
