"""Compute chunks in threads or processes of this machine, or on the workers of a Dask cluster."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ...extras import needs_extra
from .options import LOCAL_SCHEDULERS

with needs_extra("map"):
    import dask
    from distributed import Client, KilledWorker, LocalCluster, as_completed
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError
    from distributed.utils import silence_logging_cmgr

# Seconds to wait for a scheduler that is somewhere else.
PATIENCE = 10
# glibc in a worker keeps freed memory for what is computed next. Dask asks it to hand everything back at once, and half
# of a worker's time went into pages that were zeroed anew; a variable of the environment goes before both.
WORKER_MEMORY = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**27,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 2**25,
}
# A small cube travels with its chunks, a few at a time, which Dask would warn of from 10 MB on.
QUIET = {"distributed.admin.large-graph-warning-threshold": "1 GB"}
# Chunks that each thread of a worker has before it: enough that none waits for the next.
AHEAD = 2


@contextmanager
def open_client(scheduler: str, workers: int) -> Iterator[Client]:
    """Open a client of a new cluster of this machine, closed at the end, or of one that runs already, left as it is.

    Raises:
        OSError: nobody answers at the address, or nobody works for it.
    """
    if scheduler not in LOCAL_SCHEDULERS:
        # Of a connection that breaks Dask tells in tracebacks.
        with dask.config.set(QUIET), silence_logging_cmgr(logging.CRITICAL), _reach(scheduler) as client:
            yield client
        return
    processes, threads = (workers, 1) if scheduler == "processes" else (1, workers)
    with (
        dask.config.set({**WORKER_MEMORY, **QUIET}),
        LocalCluster(
            n_workers=processes,
            threads_per_worker=threads,
            processes=scheduler == "processes",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": ":0"},  # else two runs would want the same port
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _reach(address: str) -> Client:
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(
            f"The scheduler {address} cannot be reached ({type(error).__name__}): start one with `dask scheduler`."
        ) from None
    if not client.nthreads():
        client.close()
        raise OSError(f"The scheduler {address} has no worker: start some with `dask worker {address}`.")
    return client


def run_each(
    client: Client, task: Callable[..., Any], calls: Iterable[tuple[str, tuple[Any, ...]]]
) -> Iterator[tuple[str, Any]]:
    """Run a task for each of many calls, never more of them under way than keep the workers busy.

    A worker that dies loses nothing: what it was at is done by another. What the task raises is raised here.

    Args:
        client: of the cluster.
        task: a function that can be pickled.
        calls: a name, which is yielded with the result, and the arguments of each; made when their turn comes.

    Raises:
        OSError: the scheduler is gone, or workers die of a call again and again.
    """
    waiting = iter(calls)
    names: dict[Any, str] = {}

    def submit(name: str, arguments: tuple[Any, ...]) -> Any:
        future = client.submit(task, *arguments, pure=False)
        names[future.key] = name
        return future

    threads = sum(client.nthreads().values())
    under_way = as_completed([submit(*call) for call in islice(waiting, threads * AHEAD)], loop=client.loop)
    for future in under_way:
        name = names.pop(future.key)
        try:
            result = future.result()
        except KilledWorker:
            raise OSError(
                f"Workers died of the chunk at {name} again and again, probably for want of memory: take smaller "
                "chunks or fewer workers."
            ) from None
        except (FutureCancelledError, CommClosedError):
            raise OSError("The scheduler is gone.") from None
        yield name, result
        for call in islice(waiting, 1):
            under_way.add(submit(*call))
