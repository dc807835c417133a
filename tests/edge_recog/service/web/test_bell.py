from __future__ import annotations

import asyncio
import threading

from edge_recog.service.web.bell import Bell


def test_a_thread_wakes_all_that_wait() -> None:
    async def run() -> int:
        bell = Bell(asyncio.get_running_loop())
        bell.listeners = 2
        waiting = [asyncio.ensure_future(asyncio.wait({bell.next})) for _ in range(2)]
        await asyncio.sleep(0)
        threading.Thread(target=bell.ring).start()
        done, _ = await asyncio.wait(waiting, timeout=20)
        return len(done)

    assert asyncio.run(run()) == 2


def test_a_second_ring_waits_for_its_time() -> None:
    async def run() -> tuple[bool, bool]:
        bell = Bell(asyncio.get_running_loop(), every_s=3600)
        bell.listeners = 1
        first = bell.next
        bell.ring()
        await first
        second = bell.next
        for _ in range(1000):
            bell.ring()
        # Two turns of the loop: the ring arrives, and would wake.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return first.done(), second.done()

    assert asyncio.run(run()) == (True, False)


def test_what_comes_while_somebody_looks_is_not_missed() -> None:
    async def run() -> None:
        bell = Bell(asyncio.get_running_loop(), every_s=0)
        bell.listeners = 1
        news = bell.next
        bell.ring()  # After the look, before the wait.
        done, _ = await asyncio.wait({news}, timeout=20)
        assert done

    asyncio.run(run())


def test_while_nobody_listens_nothing_is_done() -> None:
    async def run() -> bool:
        bell = Bell(asyncio.get_running_loop())
        news = bell.next
        bell.ring()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return news.done()

    assert not asyncio.run(run())


def test_ringing_after_the_end_is_no_error() -> None:
    async def run() -> Bell:
        return Bell(asyncio.get_running_loop())

    bell = asyncio.run(run())
    bell.listeners = 1
    bell.ring()
    bell.ring()
