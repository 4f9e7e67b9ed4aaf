import numpy as np
import pandas as pd
import pytest
import rasterio
from typer.testing import CliRunner

from tests.support.small_cubes import small_cube
from timesenclip_hf.cli import app
from timesenclip_hf.maps import open_map

LABELS = "maize,woodland,water"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def exported(tiny_checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "tower.onnx"
    result = run("export", "--model", tiny_checkpoint, "--output", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {path} (float32; largest difference to PyTorch: onnx ")
    assert len(result.stdout.splitlines()) == 1
    return path


@pytest.fixture
def table(tmp_path):
    values = np.random.default_rng(0).integers(100, 4000, (80, 12, 10), dtype=np.uint16)
    np.savez(tmp_path / "table.npz", X=values)
    return tmp_path / "table.npz"


def test_int8_is_calibrated_on_a_table_and_classifies(tmp_path, table, tiny_checkpoint):
    path, model = tmp_path / "int8.onnx", ("--model", tiny_checkpoint)
    result = run("export", *model, "--output", path, "--quantize", "int8", "--calibration", table)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {path} (int8; mean cosine to PyTorch: onnx ")
    assert len(result.stdout.splitlines()) == 1
    usual, quick = tmp_path / "usual.csv", tmp_path / "quick.csv"
    classify = ("classify", table, "--labels", LABELS, *model)
    assert run(*classify, "--output", usual).exit_code == 0
    result = run(*classify, "--output", quick, "--runtime", "openvino", "--exported", path)
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(*(pd.read_csv(one)[LABELS.split(",")] for one in (usual, quick)), atol=0.02)


def test_a_map_says_its_runtime_and_goes_on_with_the_same_only(tmp_path, exported, tiny_checkpoint):
    small_cube().to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    command = ("map", tmp_path / "cube.nc", "--labels", LABELS, "--model", tiny_checkpoint, "--output")
    runtime = ("--runtime", "onnx", "--exported", exported)
    assert run(*command, tmp_path / "usual.tif").exit_code == 0
    result = run(*command, tmp_path / "map.tif", *runtime, "--workers", 2)
    assert result.exit_code == 0, result.output
    with rasterio.open(tmp_path / "usual.tif") as usual, rasterio.open(tmp_path / "map.tif") as mapped:
        np.testing.assert_array_equal(mapped.read(), usual.read())
    assert open_map(tmp_path / "map.run").attrs["runtime"].startswith("onnx float32 ")
    refused = run(*command, tmp_path / "usual.tif", *runtime)
    assert refused.exit_code == 1
    assert "holds a run with another runtime (" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "--output", "tower.pt"), "must end in .onnx"),
        (("classify", "{table}", "--labels", LABELS, "--exported", "{exported}"), "needs a runtime"),
        (
            ("classify", "{table}", "--labels", LABELS, "--exported", "{exported}", "--runtime", "onnx"),
            "was exported from another checkpoint",
        ),
    ],
)
def test_bad_input_ends_in_one_line(arguments, message, table, exported):
    result = run(*(one.format(table=table, exported=exported) for one in arguments))
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
