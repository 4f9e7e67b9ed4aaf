import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import __main__ as fuzzing
from tests.fuzz.judging import Judge
from tests.fuzz.mutators import BINARY, TEXT, mutate
from tests.fuzz.seeds import SEEDS
from tests.fuzz.verdicts import CRASH, FAULTS, HANG, Verdict, from_line

# Loading a checkpoint takes as long as all others together.
SLOW = {"checkpoint"}
CASES = range(4)


@pytest.mark.parametrize("reader", [name for name in SEEDS if name not in SLOW])
def test_damaged_files_are_read_right_or_refused_in_one_sentence(reader, tmp_path):
    pytest.importorskip("zarr", reason="needs the extra map")
    judge = Judge(reader, tmp_path)
    assert all(judge.answer.values())
    assert [verdict for verdict in map(judge.judge, CASES) if verdict.outcome in FAULTS] == []


def test_damaged_files_that_point_elsewhere_lead_nowhere(tmp_path):
    pytest.importorskip("zarr", reason="needs the extra map")
    from tests.fuzz.hostile import HostileJudge

    judge = HostileJudge(tmp_path / "hostile")
    assert [verdict for verdict in map(judge.judge, range(0, 97, 12)) if verdict.outcome in FAULTS] == []
    judge.listener.close()


def test_the_same_number_makes_the_same_damage(tmp_path):
    judge = Judge("labels", tmp_path)
    contents = [judge.damaged(case).read_bytes() for case in (0, 1, 0)]
    assert contents[0] == contents[2] != contents[1]


@given(content=st.binary(max_size=64), number=st.integers(0, 2**32))
def test_every_mutator_takes_any_bytes(content, number):
    for mutator in {*BINARY, *TEXT}:
        assert isinstance(mutator(content, np.random.default_rng(number)), bytes)
    assert isinstance(mutate(content, np.random.default_rng(number)), bytes)


@pytest.mark.parametrize(("deed", "outcome"), [("import time; time.sleep(600)", HANG), ("raise SystemExit(3)", CRASH)])
def test_a_process_that_hangs_or_breaks_down_is_ended_and_told(deed, outcome, monkeypatch):
    monkeypatch.setattr(fuzzing, "STARTING", 20.0 if outcome == CRASH else 1.0)
    worker = fuzzing.Worker((sys.executable, "-c", f"print('ready', flush=True); input(); {deed}"))
    verdict = worker.judge("labels", 7)
    assert (verdict.reader, verdict.case, verdict.outcome) == ("labels", 7, outcome)
    assert worker.process is None


def test_a_verdict_is_one_line():
    verdict = Verdict("labels", 1, "silent", "a\nb")
    assert "\n" not in verdict.line()
    assert from_line(verdict.line()) == verdict
