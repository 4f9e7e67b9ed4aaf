import yaml

from tests.conftest import ROOT
from timesenclip_hf import __version__

# What a Space's machine does: the script's folder comes first, and nothing of ours was imported before.
START = """
import pathlib, sys
assert "timesenclip_hf" not in sys.modules
sys.path.insert(0, "")
from importlib.metadata import version
import timesenclip_hf
source = pathlib.Path("app.py").read_text()
compile(source, "app.py", "exec")
import timesenclip_hf.app.serving
checkpoint = pathlib.Path(timesenclip_hf.DEFAULT_CHECKPOINT)
print(json.dumps([timesenclip_hf.__file__, version("timesenclip_hf"), (checkpoint / "model.safetensors").exists()]))
"""


def test_the_space_carries_the_package_its_checkpoint_and_what_to_install(
    command, logged_in, hub, tmp_path, monkeypatch
):
    done = command("push_space", "tester/timesenclip", "--push")
    assert f"pushed: {hub.url}/spaces/tester/timesenclip/commit/" in done.stdout, done.output
    files = hub.files("spaces", "tester/timesenclip")
    for name in ("app.py", "timesenclip_hf/checkpoints/timesenclip-simulated/model.safetensors"):
        assert name in files
    assert files["app.py"] == (ROOT / "hub" / "space" / "app.py").read_bytes()
    head = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert head["sdk"] == "gradio"
    assert head["python_version"] == "3.11"
    assert head["app_file"] == "app.py"
    assert len(head["short_description"]) <= 60
    wanted = files["requirements.txt"].decode().splitlines()
    assert len({line.split(">=")[0] for line in wanted}) == len(wanted)
    assert {"torch", "gradio", "xarray", "faiss-cpu"} <= {line.split(">=")[0] for line in wanted}
    assert not [line for line in wanted if "timesenclip" in line]
    again = command("push_space", "tester/timesenclip", "--push")
    assert "nothing to push: tester/timesenclip has it all" in again.stdout
    folder = tmp_path / "runs" / "push" / "timesenclip"
    monkeypatch.chdir(folder)
    file, installed, is_complete = hub.run(tmp_path / "home", START)
    assert file == str(folder / "timesenclip_hf" / "__init__.py")
    assert (installed, is_complete) == (__version__, True)
