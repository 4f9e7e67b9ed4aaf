import asyncio
from threading import Event

import pytest

from timesenclip_hf.app import queues
from timesenclip_hf.app.queues import Answered, Queue


async def collect(turns):
    return [turn async for turn in turns]


def test_calls_wait_their_turn_and_are_told_how_long(monkeypatch):
    monkeypatch.setattr(queues, "PAUSE", 0.001)
    queue, go, order = Queue(at_once=1), Event(), []

    async def visit():
        first = asyncio.create_task(collect(queue.run(go.wait)))
        others = [asyncio.create_task(collect(queue.run(order.append, name))) for name in "abc"]
        while queue.before() < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        go.set()
        return await first, [await other for other in others]

    (answer,), told = asyncio.run(visit())
    assert answer == Answered(True)
    assert order == ["a", "b", "c"]
    assert told[0][0] == "You are next: your turn comes in about 1 s."
    assert told[1][0] == "One visitor is before you: your turn comes in about 2 s."
    assert told[2][0] == "2 visitors are before you: your turn comes in about 3 s."
    assert all(turns[-1] == Answered(None) for turns in told)


def test_a_visitor_who_leaves_gives_the_place_in_the_queue_up(monkeypatch):
    monkeypatch.setattr(queues, "PAUSE", 0.001)
    queue, go, order = Queue(at_once=1), Event(), []

    async def visit():
        first = asyncio.create_task(collect(queue.run(go.wait)))
        await asyncio.sleep(0.01)
        leaving = queue.run(order.append, "gone")
        assert (await anext(leaving)).startswith("You are next")
        await leaving.aclose()
        go.set()
        await collect(queue.run(order.append, "stays"))
        await first

    asyncio.run(visit())
    assert order == ["stays"]
    assert queue.before() == 0


def test_when_very_many_wait_the_next_is_asked_to_come_back(monkeypatch):
    monkeypatch.setattr(queues, "MOST_WAITING", 0)
    with pytest.raises(ValueError, match="0 visitors are waiting already: come back in a few minutes"):
        asyncio.run(collect(Queue(at_once=1).run(print)))


def test_as_many_run_at_once_as_there_are_places():
    queue, together = Queue(at_once=2), []
    meeting = [Event(), Event()]

    def meet(number):
        meeting[number].set()
        together.append(meeting[1 - number].wait(10))

    async def visit():
        await asyncio.gather(*(collect(queue.run(meet, number)) for number in (0, 1)))

    asyncio.run(visit())
    assert together == [True, True]
