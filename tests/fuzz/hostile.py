"""Damage files that point elsewhere: none may open another file or ask an address, damaged or not."""

import atexit
import shutil
import warnings
import zlib
from pathlib import Path

import numpy as np

from tests.support.hostile_files import POINTING_ELSEWHERE, aim_at
from tests.support.hostile_files.witness import Listener, Opened, read
from timesenclip_hf.words import as_sentence

from .judging import TOLD
from .mutators import mutate
from .verdicts import REFUSED, SILENT, TRACEBACK, VALUES, Verdict

NAME = "pointing_elsewhere"


class HostileJudge:
    """Damage one file after the other of those that point elsewhere, and watch what is opened and asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener = Listener()
        atexit.register(self.listener.close)

    def judge(self, case: int) -> Verdict:
        """Make a case and judge it; what no longer points elsewhere may be read."""
        shutil.rmtree(self.folder, ignore_errors=True)
        aim = aim_at(self.folder, self.listener.address)
        hostile = POINTING_ELSEWHERE[case % len(POINTING_ELSEWHERE)]
        path = Path(hostile.write(aim))
        random = np.random.default_rng([zlib.crc32(NAME.encode()), case])
        files = sorted(file for file in aim.folder.rglob("*") if file.is_file() and not file.is_symlink())
        if files:
            file = files[int(random.integers(len(files)))]
            file.write_bytes(mutate(file.read_bytes(), random))
        opened = Opened(aim.secret.parent)
        self.listener.requests()
        outcome, detail = VALUES, hostile.name
        try:
            with warnings.catch_warnings(action="ignore"):
                read(hostile.road, path)
        except TOLD as error:
            outcome, detail = REFUSED, as_sentence(error)
        except Exception as error:
            outcome, detail = TRACEBACK, f"{hostile.name}: {type(error).__name__}: {error}"
        elsewhere = opened.names() + self.listener.requests()
        opened.close()
        return (
            Verdict(NAME, case, SILENT, f"{hostile.name} reached {elsewhere}")
            if elsewhere
            else Verdict(NAME, case, outcome, detail)
        )
