from tests.conftest import ROOT
from tests.hub.conftest import last_line
from timesenclip_hf.evaluation import metrics

NAMES = sorted(folder.name for folder in (ROOT / "hub" / "metrics").iterdir())
LOAD = """
import sys
sys.modules["timesenclip_hf"] = None
import evaluate
metric = evaluate.load("tester/macro_f1")
print(json.dumps(metric.compute(predictions=[0, 0, 1, 2], references=[0, 0, 1, 1], num_classes=4)))
"""


def test_a_metric_says_the_same_where_the_package_is_not_installed(command, logged_in, hub, tmp_path, monkeypatch):
    done = command("push_metrics", "tester", "macro_f1", "--push")
    assert f"pushed: {hub.url}/spaces/tester/macro_f1/commit/" in done.stdout, done.output
    there = hub.run(tmp_path / "home", LOAD)
    assert there == {"macro_f1": metrics.macro_f1([0, 0, 1, 2], [0, 0, 1, 1], 4), "absent_classes": [2, 3]}
    again = command("push_metrics", "tester", "macro_f1", "--push")
    assert "nothing to push: tester/macro_f1 has it all" in again.stdout


def test_every_metric_is_staged_whole_and_under_its_own_name(command, tmp_path, hub):
    done = command("push_metrics", "tester")
    assert done.exit_code == 0, done.output
    for name in NAMES:
        folder = tmp_path / "runs" / "push" / name
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [".staged", "README.md", "index.html", f"{name}.py", "metrics.py", "requirements.txt"]
        )
        assert "timesenclip_hf" not in (folder / f"{name}.py").read_text()
        readme = (folder / "README.md").read_text()
        assert f'evaluate.load("tester/{name}")' in readme
        assert "hub/metrics" not in readme
        assert "scipy>=" in (folder / "requirements.txt").read_text()
    assert not hub.requests


def test_a_metric_that_there_is_not_is_named_with_those_that_there_are(command):
    line = last_line(command("push_metrics", "tester", "accuracy"))
    assert "No such metric: accuracy; there are balanced_accuracy" in line
