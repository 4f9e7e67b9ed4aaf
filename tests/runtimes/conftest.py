import pytest

from tests.support.small_towers import make_tower


@pytest.fixture(scope="session")
def tower():
    return make_tower()


@pytest.fixture(scope="session")
def exported(tower, tmp_path_factory):
    """A tower's float32 file."""
    from timesenclip_hf import TimeSenCLIPFeatureExtractor
    from timesenclip_hf.runtimes.exported import export_tower

    return export_tower(tower, TimeSenCLIPFeatureExtractor(), tmp_path_factory.mktemp("exported") / "tower.onnx").path
