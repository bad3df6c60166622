"""Jobs over several processes: results in any order, a bounded number in flight. The first error ends the run, and no
worker outlives its parent."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from handsss.errors import UserError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


_LOG = logging.getLogger(__name__)
_ALONE = (
    "note: one process does the work: this system gives no semaphores to several (%s). Is /dev/shm missing? Containers "
    "need it: docker run --shm-size 1g."
)
_DIED = (
    "a worker process died, perhaps out of memory. What is finished is kept: run the same command with {resume} and "
    "fewer {workers}."
)


def run_jobs(
    work: Callable[[JobT], ResultT], jobs: Iterable[JobT], workers: int, *, died: str = _DIED
) -> Iterator[ResultT]:
    """Run jobs and yield their results as they finish.

    Args:
        work: a picklable function.
        jobs: consumed lazily, at most two per worker ahead of the results.
        workers: processes; 1: run in this process.
        died: the message if a worker dies; may name the options ``{resume}``, ``{workers}`` and ``{batch}``.

    Raises:
        any error of a job, after running jobs have finished; waiting ones are dropped. An interrupt stops running ones.
        UserError: a worker process died.

    Without semaphores (no /dev/shm) this process does the work, and the log says so.
    """
    if workers <= 1:
        yield from map(work, jobs)
        return
    # Not forked: a copy of a process that has threads (torch, BLAS) may hang.
    context = multiprocessing.get_context("spawn")
    try:
        stop = context.Event()
        given = os.getpid(), stop
        executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=given)
    except (OSError, ImportError, NotImplementedError) as error:
        _LOG.warning(_ALONE, getattr(error, "strerror", None) or error)
        yield from map(work, jobs)
        return
    waiting = iter(jobs)
    running: set[Future[Any]] = set()
    with executor as pool:
        try:
            exhausted = False
            while running or not exhausted:
                while not exhausted and len(running) < 2 * workers:
                    try:
                        running.add(pool.submit(work, next(waiting)))
                    except StopIteration:
                        exhausted = True
                if not running:
                    break
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
        except (KeyboardInterrupt, GeneratorExit):
            stop.set()  # leaving the pool waits for its workers
            raise
        except BrokenProcessPool as error:
            raise UserError(died, options=("resume", "workers", "batch")) from error
        finally:
            for future in running:
                future.cancel()


def _start_worker(parent: int, stop: Event) -> None:
    """One compute thread per worker; exit when the parent dies."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent says what follows
    threading.Thread(target=_watch, args=(parent, stop), daemon=True).start()
    try:
        import torch

        torch.set_num_threads(1)
    except ImportError:  # pragma: no cover
        pass


def _watch(parent: int, stop: Event) -> None:
    while os.getppid() == parent and not stop.wait(0.5):
        pass
    os._exit(1)
