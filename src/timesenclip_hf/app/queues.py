"""Run as many calls at once as the machine has cores, first come, first served; tell who waits how long it takes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

from .limits import AT_ONCE, MOST_WAITING

# Seconds between two sentences to who waits, and that a call takes before there was one.
PAUSE = 0.5
FIRST_GUESS = 1.0
# Share of the newest call in the mean of seconds.
NEWEST = 0.2

Answer = TypeVar("Answer")


class Answered(NamedTuple, Generic[Answer]):
    """Hold the answer at the end of waiting."""

    answer: Answer


class Queue:
    """Run calls in threads, so many at once.

    A call that nobody waits for any more is left out if it has not begun; one that has begun keeps its place to the
    end.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self.at_once = at_once
        self.mean = FIRST_GUESS
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="page")
        self._lock = Lock()
        self._calls: list[Future[Any]] = []

    async def run(self, call: Callable[..., Answer], *arguments: Any) -> AsyncGenerator[str | Answered[Answer]]:
        """Yield what to tell a visitor who waits, "" when the turn has come after that, and at last the answer.

        Raises:
            ValueError: too many wait already.
        """
        if (before := self.before()) >= MOST_WAITING:
            raise ValueError(f"{before} visitors are waiting already: come back in a few minutes.")
        with self._lock:
            future = self._threads.submit(copy_context().run, self._timed, call, *arguments)
            self._calls.append(future)
        shown = ""
        try:
            done = asyncio.wrap_future(future)
            while not (await asyncio.wait([done], timeout=PAUSE))[0]:
                sentence = "" if future.running() else self._sentence(future)
                if sentence != shown:
                    yield sentence
                shown = sentence
            yield Answered(done.result())
        finally:
            future.cancel()

    def before(self, future: Future[Any] | None = None) -> int:
        """Count the calls that wait before this one, or all."""
        with self._lock:
            self._calls = [call for call in self._calls if not call.done()]
            waiting = [call for call in self._calls if not call.running()]
        return waiting.index(future) if future in waiting else len(waiting)

    def _sentence(self, future: Future[Any]) -> str:
        before = self.before(future)
        seconds = max(1, round(self.mean * (before + 1) / self.at_once))
        who = {0: "You are next", 1: "One visitor is before you"}.get(before, f"{before} visitors are before you")
        return f"{who}: your turn comes in about {seconds} s."

    def _timed(self, call: Callable[..., Answer], *arguments: Any) -> Answer:
        started = time.monotonic()
        try:
            return call(*arguments)
        finally:
            self.mean += NEWEST * (time.monotonic() - started - self.mean)
