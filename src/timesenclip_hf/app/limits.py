"""Limit what one visitor of the page may ask of a machine, in one module; the sentences that refuse more name these."""

import os
import sys

# All of these are our own choice, for a machine of two cores and 16 GB, the free Space of the Hub. What a file may
# declare is limited by `gate.STRICT`.
LARGEST_FILE_MB = 20
MOST_FILES = 40
MOST_CLASSES = 24
MOST_CHARACTERS = 1_000
# Pixels that a visitor names on a map, and letters of such a name.
MOST_EXAMPLES = 200
MOST_LETTERS = 60
MOST_SERIES = 5_000
MOST_PIXELS = 128 * 128
# Time steps of a series that is read without dates, each of which the encoder compares with all others.
MOST_STEPS = 120
MOST_SECONDS = 30.0
# Of a process that reads an upload: wall and processor time, memory beyond what it starts with, and open files.
READING_SECONDS = 8.0
READING_MB = 500
READING_FILES = 64
# Calls that compute at once, and uploads that are read at once beside them; calls of either kind that wait.
AT_ONCE = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
MOST_WAITING = 60
# Sessions whose cube is kept, each at most 13 MB, and for how long.
MOST_SESSIONS = 48
KEPT_SECONDS = 900
# Words whose embeddings are kept for all visitors together.
MOST_KEPT_WORDS = 512

SERIES_SUFFIXES = (".csv", ".npz", ".nc")
CUBE_SUFFIXES = (".nc", ".tif", ".tiff")


def check_pixels(height: int, width: int) -> None:
    """Raise `ValueError` of a cube with more pixels than are mapped while a visitor waits."""
    pixels, side = height * width, int(MOST_PIXELS**0.5)
    if pixels > MOST_PIXELS:
        raise ValueError(
            f"The cube has {height} × {width} = {pixels:,} pixels, this page maps at most {MOST_PIXELS:,} ({side} × "
            f"{side}): cut out a part, or use `timesenclip map`."
        )
