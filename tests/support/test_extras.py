import subprocess

import pytest

from tests.support import extras


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """A machine on which none of the extras is installed."""
    monkeypatch.setattr(extras, "_is_installed", lambda name: name in ("torch", "numpy"))


def test_a_missing_module_of_an_extra_is_a_skip_that_names_the_extra():
    assert extras.reason_of_error(ModuleNotFoundError("No module named 'rasterio.warp'")) == (
        "needs rasterio of timesenclip_hf[map]"
    )


@pytest.mark.parametrize(
    ("module", "extra"),
    [("sklearn", "train"), ("yaml", "train"), ("faiss", "eval"), ("odc.stac", "map"), ("gradio_client", "demo")],
)
def test_a_module_is_known_by_the_name_it_is_imported_by(module, extra):
    assert extras.reason_to_skip(module) == f"needs {module.split('.')[0]} of timesenclip_hf[{extra}]"


def test_a_module_is_found_under_the_name_of_its_distribution():
    modules = ("sklearn", "faiss", "rio_cogeo", "xarray")
    assert [extras.distribution_of(name) for name in modules] == ["scikit-learn", "faiss-cpu", "rio-cogeo", "xarray"]


def test_a_missing_module_that_no_extra_brings_is_an_error():
    for name in ("no_such_module", "timesenclip_hf.gone", "tests.gone", "torch.gone"):
        assert extras.reason_of_error(ModuleNotFoundError(f"No module named '{name}'")) is None


def test_the_package_s_own_sentence_counts_wherever_it_is_said():
    sentence = 'This needs xarray, which is not installed: run pip install "/srv/timesenclip_hf[data]".'
    wanted = "needs xarray of timesenclip_hf[data]"
    done = subprocess.CalledProcessError(1, ["timesenclip"], stderr=sentence.encode())

    nested = RuntimeError("the command failed")
    nested.__cause__ = ImportError(sentence)
    for error in (ImportError(sentence), AssertionError(f"error: {sentence}\nassert 1 == 0"), done, nested):
        assert extras.reason_of_error(error) == wanted


def test_what_fails_though_the_extra_is_installed_fails(monkeypatch):
    monkeypatch.setattr(extras, "_is_installed", lambda name: True)
    assert extras.reason_of_error(ModuleNotFoundError("No module named 'rasterio'")) is None
    assert extras.reason_of_marker("map") is None


def test_a_marker_names_an_extra_of_pyproject():
    assert "timesenclip_hf[export]" in str(extras.reason_of_marker("export"))
    with pytest.raises(ValueError, match=r"There is no extra 'maps': use data, demo"):
        extras.reason_of_marker("maps")
