"""Work that may take long, or for ever, away from the loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


async def aside(work: Callable[[], _Result]) -> _Result:
    """Return what a function returns that runs in a thread of its own; raise what it raises.

    Unlike an executor's, the thread holds up neither the end of the loop nor that of the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def report(tell: Callable[[], object]) -> None:
        # Whoever waited may have left, and the loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if done.done() else tell())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits.
            failure = error
            report(lambda: done.set_exception(failure))
        else:
            report(lambda: done.set_result(result))

    threading.Thread(target=run, name="web-aside", daemon=True).start()
    return await done
