"""Make one damaged file, let it be read, and judge the answer.

An answer is right where it is that of the intact file; or where a sentence refuses the file, or the part of it that is
left out. Any other answer is judged by the library of the format: where the library itself reads another content from
the file than from the intact one (other numbers, names, dates or attributes), the damage lies in values, which no
reader can tell from another file's. Where the library reads the same content, or cannot read the file, the answer
differs silently. Formats with checksums (zip, gzip, pages of Parquet, chunks and headers where the writer asked for
them) leave no such damage unseen; text, TIFF, classic NetCDF and HDF5's older headers have none, and there a damaged
number is a number.
"""

import shutil
import warnings
import zlib
from pathlib import Path

import numpy as np

from timesenclip_hf.words import as_sentence

from .mutators import mutate
from .readers import READERS, Parts, contents
from .seeds import write_seed
from .verdicts import REFUSED, RIGHT, SILENT, TRACEBACK, VALUES, Verdict

# What a user is told in one sentence; anything else is a traceback.
TOLD = (ValueError, OSError, ImportError)


class Judge:
    """Damage the file of one reader and judge what is read, again and again, in a folder of its own."""

    def __init__(self, reader: str, folder: Path) -> None:
        self.reader, self.folder = reader, folder
        self.intact = folder / "intact"
        source = write_seed(reader, self.intact)
        self.source = source.relative_to(self.intact)
        self.files = sorted(path.relative_to(self.intact) for path in self.intact.rglob("*") if path.is_file())
        self.answer = self._read(source)
        self.content = contents(source)

    def damaged(self, case: int) -> Path:
        """Write the intact file and damage it, or one file of the folder."""
        folder = self.folder / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.intact, folder)
        random = np.random.default_rng([zlib.crc32(self.reader.encode()), case])
        file = folder / self.files[int(random.integers(len(self.files)))]
        if len(self.files) > 1 and random.random() < 0.05:
            file.unlink()
        else:
            file.write_bytes(mutate(file.read_bytes(), random))
        return folder / self.source

    def judge(self, case: int) -> Verdict:
        """Make a case and judge it."""
        path = self.damaged(case)
        try:
            answer = self._read(path)
        except TOLD as error:
            sentence = as_sentence(error)
            fault = not sentence or "Traceback" in sentence
            return Verdict(self.reader, case, TRACEBACK if fault else REFUSED, sentence or repr(error))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return Verdict(self.reader, case, TRACEBACK, f"{type(error).__name__}: {error}")
        different = [name for name, part in answer.items() if part is not None and self.answer.get(name) != part]
        # A part may be refused under another name, which the damage gave it.
        renamed = sum(part is None and name not in self.answer for name, part in answer.items())
        different += [name for name in self.answer if name not in answer][renamed:]
        if not different:
            return Verdict(self.reader, case, RIGHT)
        explained = _differs(contents(path), self.content)
        return Verdict(self.reader, case, VALUES if explained else SILENT, ", ".join(different))

    def _read(self, path: Path) -> Parts:
        with warnings.catch_warnings(action="ignore"):
            return READERS[self.reader](path)


def _differs(content: Parts, intact: Parts) -> bool:
    """Tell whether a library reads something else: other parts, others in them, or some no more; faults are nothing."""
    broken = tuple(name for name, part in content.items() if part is None)
    gone = [name for name in intact if name not in content and not name.startswith(broken)]
    return bool(gone) or any(part is not None and part != intact.get(name) for name, part in content.items())
