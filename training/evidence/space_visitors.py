"""Visitors of the Space that come together and stay: each a session of its own, through Gradio's client."""

import random
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.support.browser.files import write_cube, write_series
from tests.support.browser.views import NO_CLEAR_MONTH
from tests.support.space_process import Space
from timesenclip_hf.simulator import simulate

WORDS = (
    *("wheat", "maize", "rapeseed", "sunflower", "vineyard", "grassland", "woodland", "buildings", "water", "rice"),
    *("houses", "a lake", "a field of maize", "bare soil", "heath", "orchard", "road", "spruce", "potatoes", "meadow"),
)
PLACES = ("Farmland, 64 × 64 pixels", "Wine country, 64 × 64 pixels")
PIXELS = ("maize", "water", "grassland", "buildings")
SIDE = 64
# Seconds that a visitor reads an answer.
LOOKING = (1, 4)
# Seconds without a sign of the server after which Chromium gives up.
BROWSERS_PATIENCE = 300


@dataclass
class Visits:
    """Count what came of all visitors together."""

    seconds: list[float] = field(default_factory=list)
    refusals: int = 0
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Uploads:
    """Files that visitors bring."""

    series: Path
    cubes: Sequence[Path]
    bad: Path


@contextmanager
def uploads(count: int) -> Any:
    """Write a file of series, so many different cubes, and a file that is none."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        cubes = [write_cube(folder / f"cube{number}.nc", SIDE, SIDE, seed=100 + number) for number in range(count)]
        bad = folder / "table.csv"
        bad.write_text("this,is\nnot,a table\n", encoding="utf-8")
        yield Uploads(write_series(folder / "places.npz", simulate(20, seed=9).series), cubes, bad)


def visit_together(space: Space, files: Uploads, count: int, seconds: float, *, seed: int = 0) -> Visits:
    """Let visitors use the Space at the same time, as people do: an action, some seconds to read its answer, the next.

    Args:
        space: the Space.
        files: what they bring.
        count: visitors.
        seconds: that they stay.
        seed: of what they do.

    Returns:
        The seconds that each action took, what went wrong, and the process's memory in MiB, twice a second.
    """
    visits, left = Visits(), Event()

    def watch() -> None:
        while not left.wait(0.5):
            visits.memory.append(space.memory())

    watcher = Thread(target=watch)
    watcher.start()
    until = time.monotonic() + seconds
    try:
        with ThreadPoolExecutor(count) as crowd:
            list(crowd.map(lambda number: _stay(space.url, files, until, visits, number, seed), range(count)))
    finally:
        left.set()
        watcher.join()
    return visits


def pass_through(space: Space, files: Uploads, count: int, *, together: int) -> list[str]:
    """Let visitors come, so many at a time, map a cube of their own, and leave; what went wrong."""

    def pass_one(number: int) -> list[str]:
        with TemporaryDirectory() as folder:
            try:
                client = arrive(space.url, folder)
                _own_cube(client, random.Random(number), files.cubes[number % len(files.cubes)])
                client.close()
            except Exception as error:  # as in `_stay`
                return [f"{type(error).__name__}: {error}"]
        return []

    with ThreadPoolExecutor(together) as crowd:
        return [error for errors in crowd.map(pass_one, range(count)) for error in errors]


def _stay(url: str, files: Uploads, until: float, visits: Visits, number: int, seed: int) -> None:
    chance = random.Random(f"{seed} {number}")
    with TemporaryDirectory() as folder:
        cube = files.cubes[number % len(files.cubes)]
        actions: list[Callable[[Client, random.Random], None]] = [
            *(_series_of_an_example, _map_of_an_example, _search),
            *(
                lambda client, chance: _own_series(client, chance, files.series),
                lambda client, chance: _own_cube(client, chance, cube),
            ),
            lambda client, chance: _bad_file(client, chance, files.bad, visits),
        ]
        client: Client | None = None
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                client = client or arrive(url, folder)
                chance.choice(actions)(client, chance)
            except Exception as error:  # whatever it is, it is what a visitor must not see
                visits.errors.append(f"{type(error).__name__}: {error}")
            visits.seconds.append(time.monotonic() - started)
            time.sleep(min(chance.uniform(*LOOKING), max(0, until - time.monotonic())))
        if client is not None:
            client.close()


def arrive(url: str, folder: str) -> Client:
    """Open a session, with what is downloaded in a folder."""
    # Seconds as a browser waits, not as the client does: it gives up after five.
    options = {"timeout": BROWSERS_PATIENCE}
    return Client(url, verbose=False, analytics_enabled=False, download_files=folder, httpx_kwargs=options)


def _words(chance: random.Random) -> list[str]:
    return chance.sample(WORDS, chance.randint(2, 8))


def _series_of_an_example(client: Client, chance: random.Random) -> None:
    words = _words(chance)
    answer = client.predict(chance.choice(PIXELS), None, False, 1, ", ".join(words), api_name="/answer_series")
    _check(answer, words)


def _own_series(client: Client, chance: random.Random, file: Path) -> None:
    words = _words(chance)
    number = chance.randint(1, 20)
    answer = client.predict(None, handle_file(file), False, number, ", ".join(words), api_name="/answer_series")
    _check(answer, words)
    if f"Series {number} of 20" not in answer[1]:
        raise ValueError(f"series {number} was asked for, answered was {answer[1]}")


def _map_of_an_example(client: Client, chance: random.Random) -> None:
    _map_and_follow(client, chance, (chance.choice(PLACES), None, False))


def _own_cube(client: Client, chance: random.Random, file: Path) -> None:
    _map_and_follow(client, chance, (None, [handle_file(file)], False))


def _map_and_follow(client: Client, chance: random.Random, source: tuple[Any, ...]) -> None:
    """Ask for a map, the same in other words, and a pixel of it."""
    for name, pixel in (("/map_cube", ()), ("/relabel", (None, None))):
        words = _words(chance)
        _check(client.predict(*source, ", ".join(words), *pixel, api_name=name), words)
    row, column = chance.randrange(SIDE - 10), chance.randrange(SIDE - 10)
    words = _words(chance)
    try:
        answer = client.predict(*source, ", ".join(words), row, column, api_name="/show_pixel")
    except AppError as error:
        if NO_CLEAR_MONTH not in str(error):
            raise
    else:
        _check(answer, words)


def _search(client: Client, chance: random.Random) -> None:
    query = chance.choice(WORDS)
    answer = client.predict(query, api_name="/search")
    if query not in unescape(answer[1]) or "data-point" not in answer[2]:
        raise ValueError(f"{query} was searched for, answered was {answer[1]}")


def _bad_file(client: Client, chance: random.Random, file: Path, visits: Visits) -> None:
    try:
        client.predict(None, handle_file(file), False, 1, "maize, water", api_name="/answer_series")
    except AppError as error:
        if file.name not in str(error):
            raise
        visits.refusals += 1
    else:
        raise ValueError(f"{file.name} was taken for a table")


def _check(answer: Sequence[Any], words: Sequence[str]) -> None:
    """Raise where an answer is not about the words that were asked for: another visitor's, or an old one."""
    rows = [re.findall(r'data-label="([^"]*)"', part) for part in answer if isinstance(part, str)]
    labels = {unescape(label) for row in rows for label in row} - {NO_CLEAR_MONTH}
    if answer[0] or labels != set(words):
        raise ValueError(f"{sorted(words)} were asked for, answered were {sorted(labels)} {answer[0]}")
