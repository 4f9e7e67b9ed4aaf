import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "timesenclip_hf"
HEAVY = {"torch", "transformers", "numpy", "pandas", "pyarrow", "huggingface_hub"}
# What finds our models only where they are registered.
FINDERS = {"AutoConfig", "AutoModel", "AutoProcessor", "AutoFeatureExtractor", "AutoImageProcessor", "pipeline"}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", code]
    return subprocess.run(call, capture_output=True, text=True, check=True, env={**os.environ, **environment})


def modules_of(*arguments: str, **environment: str) -> tuple[set[str], str]:
    """Run the command in a process of its own; return the top modules that it loaded, and what it printed."""
    code = (
        f"import json, sys; sys.argv = {['timesenclip', *arguments]!r}\n"
        "import timesenclip_command\n"
        "try:\n    timesenclip_command.run()\n"
        "except SystemExit:\n    print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = python(code, **environment)
    *printed, modules = done.stdout.strip().splitlines()
    return set(json.loads(modules)), "\n".join([*printed, done.stderr])


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--help"], "Name land cover in words"),
        (["classify", "--help"], "--id-column"),
        (["import", "table", "--help"], "--composite"),
        (["--version"], "timesenclip_hf 0.1.0"),
        (["classify", "a.csv", "--lables", "maize"], "No such option"),
        (["classify", "--template"], "id,longitude,latitude,date,B02,B03"),
    ],
)
def test_help_version_and_wrong_options_are_answered_without_the_libraries(arguments, printed):
    modules, text = modules_of(*arguments)
    assert printed in text
    assert not modules & HEAVY


def test_completion_is_answered_without_the_libraries():
    modules, text = modules_of(_TIMESENCLIP_COMPLETE="complete_bash", COMP_WORDS="timesenclip cla", COMP_CWORD="1")
    assert "classify" in text
    assert not modules & HEAVY


def test_inspecting_a_table_needs_no_model(tmp_path: Path):
    bands = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    names = [f"{band}_2018-{month:02d}" for month in range(1, 13) for band in bands]
    (tmp_path / "table.csv").write_text(f"id,{','.join(names)}\na{',0.1' * len(names)}\n")
    modules, text = modules_of("inspect", str(tmp_path / "table.csv"))
    assert "reflectance (0 to 1)" in text
    assert not modules & {"torch", "pyogrio", "transformers.pipelines", "timesenclip_hf.models.registration"}


@pytest.mark.parametrize("first", ["import timesenclip_hf", "from transformers import pipeline"])
def test_importing_the_package_registers_it_before_or_after_transformers(first):
    code = f"{first}\nimport timesenclip_hf\nfrom transformers import AutoConfig, pipeline\n"
    code += "made = pipeline('zero-shot-pixel-classification')\n"
    code += "print(type(made).__name__, AutoConfig.for_model('senclip').model_type)"
    done = python(code)
    assert done.stdout.strip() == "ZeroShotPixelClassificationPipeline senclip"
    assert "No model was supplied" not in done.stderr
    assert "Loading weights" not in done.stderr


def test_the_public_names_are_there():
    code = "import timesenclip_hf as t; print(all(getattr(t, name) is not None for name in t.__all__), len(t.__all__))"
    printed, count = python(code).stdout.split()
    assert (printed, int(count) > 20) == ("True", True)


def test_what_looks_up_our_models_registers_them_first():
    users = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.parent.name in ("timesenclip", "senclip", "models"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "transformers":
                users += [file for alias in node.names if alias.name in FINDERS]
    assert users
    # Their callers register: `conversion.convert`, and `python -m timesenclip_hf.app`, which is no command.
    trusted = {PACKAGE / "conversion" / "timesenclip.py", PACKAGE / "conversion" / "senclip.py"}
    trusted |= {PACKAGE / "app" / "__main__.py"}
    lacking = [file for file in users if file not in trusted and "register()" not in file.read_text()]
    assert lacking == []
    assert "register()" in (PACKAGE / "conversion" / "__init__.py").read_text()
