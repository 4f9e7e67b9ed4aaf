import re

from tests.conftest import ROOT
from tests.hub.conftest import last_line
from timesenclip_hf.evaluation import metrics

NAMES = sorted(folder.name for folder in (ROOT / "hub" / "metrics").iterdir())
LOAD = """
import sys
sys.modules["timesenclip_hf"] = None
import evaluate
metric = evaluate.load("tester/balanced_accuracy")
print(json.dumps(metric.compute(predictions=[0, 0, 1, 2], references=[0, 0, 1, 1], num_classes=4)))
"""


def test_a_metric_says_the_same_where_the_package_is_not_installed(command, logged_in, hub, tmp_path, monkeypatch):
    done = command("push_metrics", "tester", "balanced_accuracy", "--push")
    assert f"pushed: {hub.url}/spaces/tester/balanced_accuracy/commit/" in done.stdout, done.output
    answer = hub.run(tmp_path / "home", LOAD)
    expected = metrics.balanced_accuracy([0, 0, 1, 2], [0, 0, 1, 1], 4)
    assert answer == {"balanced_accuracy": expected, "absent_classes": [2, 3]}
    again = command("push_metrics", "tester", "balanced_accuracy", "--push")
    assert "nothing to push: tester/balanced_accuracy has it all" in again.stdout


def test_every_metric_is_staged_whole_and_under_its_own_name(command, tmp_path, hub):
    done = command("push_metrics", "tester")
    assert done.exit_code == 0, done.output
    for name in NAMES:
        folder = tmp_path / "runs" / "push" / name
        shared = {".staged", "README.md", "index.html", "requirements.txt", f"{name}.py"}
        modules = {path.name for path in folder.iterdir()} - shared
        named = re.findall(r"^from \.(\w+) import", (folder / f"{name}.py").read_text(), flags=re.MULTILINE)
        assert modules == {f"{module}.py" for module in named}
        assert "timesenclip_hf" not in (folder / f"{name}.py").read_text()
        readme = (folder / "README.md").read_text()
        assert f'evaluate.load("tester/{name}")' in readme
        assert "hub/metrics" not in readme
        assert "scipy>=" in (folder / "requirements.txt").read_text()
    assert not hub.requests


def test_a_metric_that_there_is_not_is_named_with_those_that_there_are(command):
    line = last_line(command("push_metrics", "tester", "accuracy"))
    assert "No such metric: accuracy; there are balanced_accuracy" in line
