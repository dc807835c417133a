from __future__ import annotations

import os
import socket
import threading

import pytest

from edge_recog.cameras.guard import Guard, Interrupt


def test_what_nobody_uses_is_released_at_once_and_only_once() -> None:
    released: list[int] = []
    guard = Guard(lambda: released.append(1))
    guard.close()
    guard.close()

    assert released == [1]
    assert guard.closed


def test_what_is_used_is_released_by_its_user() -> None:
    released: list[str] = []
    guard = Guard(lambda: released.append(threading.current_thread().name))
    inside, go_on = threading.Event(), threading.Event()

    def use() -> None:
        with guard:
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=use, name="reader")
    thread.start()
    assert inside.wait(10)
    guard.close()
    assert released == []
    go_on.set()
    thread.join(10)

    assert released == ["reader"]


def test_many_threads_release_once() -> None:
    for _ in range(50):
        released: list[int] = []
        guard = Guard(lambda released=released: released.append(1))  # type: ignore[misc]
        barrier = threading.Barrier(4)

        def use(guard: Guard = guard, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            with guard:
                pass

        def close(guard: Guard = guard, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            guard.close()

        threads = [threading.Thread(target=act) for act in (use, close, use, close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert released == [1]


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_a_wait_ends_for_one_of_three_reasons(pair: tuple[socket.socket, socket.socket]) -> None:
    interrupt = Interrupt()
    ours, theirs = pair
    with ours, theirs:
        assert interrupt.wait(ours.fileno(), timeout_s=0) == "timed out"
        assert interrupt.wait(ours.fileno(), timeout_s=5, writing=True) == "ready"
        theirs.send(b"x")
        assert interrupt.wait(ours.fileno(), timeout_s=5) == "ready"
        interrupt.set()
        assert interrupt.wait(ours.fileno(), timeout_s=5) == "interrupted"
    interrupt.close()


def test_a_wait_is_interrupted_from_another_thread(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    interrupt = Interrupt()
    said: list[str] = []
    ours, theirs = pair
    with ours, theirs:
        thread = threading.Thread(
            target=lambda: said.append(interrupt.wait(ours.fileno(), timeout_s=600))
        )
        thread.start()
        interrupt.set()
        thread.join(10)

    assert said == ["interrupted"]
    interrupt.close()


def test_after_its_end_an_interrupt_touches_no_descriptor() -> None:
    interrupt = Interrupt()
    number = interrupt.fileno()
    interrupt.close()
    interrupt.close()
    reader, writer = os.pipe()
    try:
        interrupt.set()
        assert interrupt.fileno() == -1
        assert number >= 0
    finally:
        os.close(reader)
        os.close(writer)
