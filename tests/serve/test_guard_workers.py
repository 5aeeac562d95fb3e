"""Worker processes of the guard: limits, deadlines, crashes, and that nobody else notices."""

import asyncio
import os
import signal
import time
from pathlib import Path

import hostile_pictures as hostile
import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.serve.guard import BadPicture, PictureGuard
from facellm.serve.guard.process import WorkerEnded, WorkerProcess
from facellm.serve.guard.worker import MEMORY, MOST_FILES

GOOD = hostile.honest()["baseline.jpg"]
EXPECTED = load_image(GOOD)


def run(task, **options):
    """Run ``task(guard)`` with a guard that is started and closed."""

    async def session():
        guard = PictureGuard(**{"workers": 1, **options})
        await guard.start()
        try:
            return await task(guard)
        finally:
            await guard.close()

    return asyncio.run(session())


async def the_worker(guard):
    """The one worker, taken out of the queue and put back."""
    worker = await guard._free.get()
    guard._free.put_nowait(worker)
    return worker


async def status_of(awaitable):
    try:
        await awaitable
    except BadPicture as error:
        return error.status
    return 200


def test_pictures_come_back_as_decoded_and_writable():
    async def task(guard):
        first, second = await guard.picture(GOOD), await guard.picture(hostile.honest()["rgb.png"])
        first[:] = 0  # a copy: the next one is not touched
        return await guard.picture(GOOD), second

    again, second = run(task)
    np.testing.assert_array_equal(again, EXPECTED)
    np.testing.assert_array_equal(second, load_image(hostile.honest()["rgb.png"]))


def test_a_worker_holds_no_file_but_its_own_and_is_bounded():
    async def task(guard):
        pid = (await the_worker(guard)).process.pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        files = {os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        return limits, files, environment

    os.environ["FACELLM_SECRET"] = "not to be seen"
    try:
        limits, files, environment = run(task)
    finally:
        del os.environ["FACELLM_SECRET"]
    rows = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()[1:]}
    assert rows["Max file size"] == "0"
    assert rows["Max open files"] == str(MOST_FILES)
    assert MEMORY <= int(rows["Max address space"]) < 16 * MEMORY
    kinds = {name.split(":")[0] for name in files}
    assert kinds <= {"socket", "pipe", "/dev/null", "/dev/urandom", "/memfd"}  # stdin is a socket
    assert len(files) <= 6
    assert b"SECRET" not in environment


def test_a_worker_that_dies_is_replaced_and_its_request_told():
    async def task(guard):
        worker = await the_worker(guard)
        slow = asyncio.create_task(status_of(guard.picture(GOOD)))
        os.kill(worker.process.pid, signal.SIGKILL)
        return await slow, await guard.picture(GOOD), guard.replaced

    status, pixels, replaced = run(task, wait=60)
    assert status in {200, 400}  # it may have answered just before
    np.testing.assert_array_equal(pixels, EXPECTED)
    assert replaced == 1


def test_a_worker_that_hangs_is_ended_at_the_deadline():
    async def task(guard):
        worker = await the_worker(guard)
        worker.process.send_signal(signal.SIGSTOP)
        started = time.perf_counter()
        status = await status_of(guard.picture(GOOD))
        return status, time.perf_counter() - started, await guard.picture(GOOD), guard.replaced

    status, seconds, pixels, replaced = run(task, deadline=0.5, wait=60)
    assert (status, replaced) == (504, 1)
    assert seconds < 5
    np.testing.assert_array_equal(pixels, EXPECTED)


def test_others_are_served_while_one_hangs():
    async def task(guard):
        stuck, other = await guard._free.get(), await guard._free.get()
        stuck.process.send_signal(signal.SIGSTOP)
        guard._free.put_nowait(stuck)
        guard._free.put_nowait(other)
        hanging = asyncio.create_task(status_of(guard.picture(GOOD)))
        await asyncio.sleep(0.05)  # it has taken the stopped one
        served = [await status_of(guard.picture(GOOD)) for _ in range(3)]
        return served, hanging.done(), await hanging

    served, done_before, status = run(task, workers=2, deadline=2, wait=60)
    assert served == [200] * 3
    assert not done_before
    assert status == 504


def test_a_wait_for_a_worker_is_bounded():
    async def task(guard):
        worker = await guard._free.get()
        status = await status_of(guard.picture(GOOD))
        guard._free.put_nowait(worker)
        return status, await status_of(guard.picture(GOOD))

    assert run(task, wait=0.2) == (503, 200)


def test_a_cancelled_request_frees_its_place():
    async def task(guard):
        (await the_worker(guard)).process.send_signal(signal.SIGSTOP)
        request = asyncio.create_task(guard.picture(GOOD))
        await asyncio.sleep(0.1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        return await status_of(guard.picture(GOOD)), guard.replaced

    assert run(task, wait=60) == (200, 1)


def test_a_refused_picture_costs_no_worker():
    async def task(guard):
        statuses = [await status_of(guard.picture(data)) for _, data in hostile.odd().values()]
        pids = (await the_worker(guard)).process.pid
        return statuses, guard.replaced, pids

    statuses, replaced, _ = run(task)
    assert statuses == [status for status, _ in hostile.odd().values()]
    assert replaced == 0


def test_an_answer_that_is_none_ends_the_worker():
    """What a worker says is not believed: shapes beyond the shared memory, text, no line at all."""

    async def task(guard):
        worker = await the_worker(guard)
        for line in (b"[]\n", b'{"shape": [1, 9999999, 9999999, 3]}\n', b"{\n", b'{"times": []}\n'):
            with pytest.raises(WorkerEnded):
                worker._taken(line, worker._shared)

    run(task)


def test_the_worker_dies_with_its_parent():
    """Even where the parent is killed and closes nothing in order."""
    import subprocess
    import sys

    code = (
        "import asyncio, os, signal\n"
        "from facellm.serve.guard.process import WorkerProcess\n"
        "async def main():\n"
        "    worker = await WorkerProcess.start()\n"
        "    print(worker.process.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    pid, ends = int(done.stdout), time.monotonic() + 10
    while time.monotonic() < ends and _runs(pid):
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_closed_guard_takes_nothing():
    async def task():
        guard = PictureGuard(1)
        return await status_of(guard.picture(GOOD))

    assert asyncio.run(task()) == 503


def test_wrong_numbers_are_named():
    with pytest.raises(FaceLLMError, match="0 workers"):
        PictureGuard(0)


def test_a_worker_that_does_not_start_is_told(monkeypatch):
    monkeypatch.setattr("facellm.serve.guard.process._MODULE", "facellm.no_such_module")

    async def start():
        with pytest.raises(WorkerEnded, match="not ready"):
            await WorkerProcess.start()
        with pytest.raises(FaceLLMError, match="does not start"):
            await PictureGuard(1).start()

    asyncio.run(start())
