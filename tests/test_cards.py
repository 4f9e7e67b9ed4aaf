"""README and cards against what commands measured: a figure typed by hand, or a stale one, fails here."""

import subprocess
import sys

from tests.conftest import ROOT


def test_readme_and_cards_are_filled_from_the_measured_results_and_the_example_prints_what_it_says():
    done = subprocess.run(
        [sys.executable, "-m", "hub.fill_cards", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `make cards`; out of date: {done.stdout.split()} {done.stderr[-500:]}"
