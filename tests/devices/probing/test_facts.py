"""What a device says of itself is read strictly: it may say anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_devices.errors import FactsError
from edge_recog_devices.probing.facts import (
    FIRST_LINE,
    LAST_LINE,
    MOST_BYTES,
    AcceleratorFound,
    CameraNode,
    Facts,
    Folder,
    Installed,
    Python,
    parse_facts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
NUMBER = st.integers(0, 10**14)
MAYBE = st.none() | NUMBER
DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    service = draw(PLAIN)
    model = draw(st.none() | st.tuples(PLAIN, st.just("") | st.just("unreadable") | DIGEST))
    name, digest = model or ("", "")
    return Facts(
        hostname=draw(PLAIN),
        board=draw(PLAIN),
        kernel=draw(PLAIN),
        userland=draw(st.sampled_from(["aarch64", "x86_64", "armv7l", "armv6l", "i686", "other"])),
        libc=draw(PLAIN),
        os_id=draw(PLAIN),
        os_version=draw(PLAIN),
        os_name=draw(PLAIN),
        raspberry_pi_os=draw(st.booleans()),
        cores=draw(MAYBE),
        memory_total_kib=draw(MAYBE),
        memory_available_kib=draw(MAYBE),
        pythons=tuple(
            draw(
                st.lists(
                    st.builds(
                        Python,
                        path=PLAIN,
                        version=st.from_regex(r"\A3\.[0-9]{1,2}\.[0-9]{1,2}\Z"),
                        implementation=PLAIN,
                        bits=NUMBER,
                    ),
                    max_size=3,
                )
            )
        ),
        folder=draw(st.builds(Folder, path=PLAIN, existing=PLAIN, free_kib=MAYBE)),
        libcamera=draw(st.booleans()),
        cameras=tuple(draw(st.lists(st.builds(CameraNode, path=PLAIN, name=PLAIN), max_size=3))),
        user=draw(PLAIN),
        groups=tuple(draw(st.lists(WORD, max_size=3))),
        known_groups=tuple(draw(st.lists(WORD, max_size=3))),
        sudo=draw(st.sampled_from(["root", "free", "password", "absent"])),
        systemd=draw(MAYBE),
        service=service,
        clock_now_s=draw(NUMBER),
        clock_synchronized=draw(st.none() | st.booleans()),
        accelerators=tuple(
            draw(st.lists(st.builds(AcceleratorFound, id=PLAIN, speed_mbit=MAYBE), max_size=3))
        ),
        apex=draw(st.booleans()),
        edgetpu_library=draw(PLAIN),
        installed=tuple(
            draw(st.lists(st.builds(Installed, path=PLAIN, version=PLAIN), max_size=3))
        ),
        model=name,
        model_id=f"sha256:{digest}" if len(digest) == 64 else "",
        config_readable=None if model is None else digest != "unreadable",
    )


def told(one: Facts) -> bytes:
    """Return how the script would have told these facts."""

    def flag(value: bool) -> str:
        return "yes" if value else "no"

    lines: list[tuple[str, ...]] = [
        ("board", one.board),
        ("hostname", one.hostname),
        ("kernel", one.kernel),
        ("userland", one.userland),
        ("libc", one.libc),
        ("os", one.os_id, one.os_version, one.os_name),
        ("raspberry_pi_os", flag(one.raspberry_pi_os)),
        ("folder", one.folder.path, one.folder.existing),
        ("folder.writable", flag(one.folder.writable)),
        ("libcamera", flag(one.libcamera)),
        ("user", one.user),
        ("groups", " ".join(one.groups)),
        ("groups.known", " ".join(one.known_groups)),
        ("sudo", one.sudo),
        ("service", one.service),
        ("clock.now_s", str(one.clock_now_s)),
        ("apex", flag(one.apex)),
        ("edgetpu_library", one.edgetpu_library),
    ]
    numbers = {
        "cores": one.cores,
        "memory.total_kib": one.memory_total_kib,
        "memory.available_kib": one.memory_available_kib,
        "folder.free_kib": one.folder.free_kib,
        "systemd": one.systemd,
    }
    lines += [(key, str(value)) for key, value in numbers.items() if value is not None]
    flags = {
        "folder.read_only": one.folder.read_only,
        "clock.synchronized": one.clock_synchronized,
    }
    lines += [(key, flag(value)) for key, value in flags.items() if value is not None]
    lines += [
        (
            "python",
            python.path,
            python.version,
            python.implementation,
            str(python.bits),
            flag(python.venv),
            flag(python.picamera2),
            flag(python.free_threaded),
        )
        for python in one.pythons
    ]
    lines += [("camera", node.path, node.name, flag(node.accessible)) for node in one.cameras]
    for found in one.accelerators:
        speed = "" if found.speed_mbit is None else str(found.speed_mbit)
        lines.append(("accelerator", found.kind, found.id, speed))
    lines += [("installed", here.path, here.version) for here in one.installed]
    if one.config_readable is not None:
        digest = one.model_id.partition(":")[2] if one.config_readable else "unreadable"
        lines.append(("model", one.model, digest))
    text = [f"{line[0]}={chr(9).join(line[1:])}" for line in lines]
    return "\n".join([FIRST_LINE, *text, LAST_LINE, ""]).encode()


PROPERTY = settings(max_examples=100, deadline=None, derandomize=True)


@PROPERTY
@given(facts())
def test_facts_survive_being_told(one: Facts) -> None:
    assert parse_facts(told(one)) == one


@PROPERTY
@given(facts(), st.data())
def test_a_damaged_answer_is_refused_or_still_facts(one: Facts, data: Any) -> None:
    answer = bytearray(told(one))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(answer) - 1))
        what = data.draw(st.sampled_from(["change", "drop", "double", "cut"]))
        if what == "change":
            answer[place] = data.draw(st.integers(0, 255))
        elif what == "drop":
            del answer[place : place + data.draw(st.integers(1, 30))]
        elif what == "double":
            answer[place:place] = answer[place : place + 60]
        else:
            del answer[place:]
        if not answer:
            break
    try:
        shown = msgspec.json.encode(parse_facts(bytes(answer))).decode()
    except FactsError as error:
        shown = str(error)
    assert all(" " <= one <= "~" for one in shown)


@PROPERTY
@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(FactsError):
        parse_facts(data)


def test_an_answer_that_is_not_whole_is_refused(make_facts: Callable[..., Facts]) -> None:
    answer = told(make_facts())
    for length in range(len(answer)):
        with pytest.raises(FactsError):
            parse_facts(answer[:length])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"cores=4", b"cores=four", "cores in the answer is no number"),
        (b"cores=4", b"cores=" + b"9" * 30, "cores in the answer is no number"),
        (b"cores=4", b"cores=-4", "cores in the answer is no number"),
        (b"cores=4", b"cores=4\ncores=5", "too many or too few"),
        (b"cores=4", b"cores=4\t5", "too many or too few"),
        (b"cores=4", b"bores=4", "makes no sense"),
        (b"cores=4", b"cores", "makes no sense"),
        (b"apex=no", b"apex=maybe", "neither yes nor no"),
        (b"userland=aarch64", b"userland=z80", "userland"),
        (b"\t3.13.5\t", b"\tnew\t", "no version"),
        (b"hostname=kitchen\n", b"", "no hostname"),
        (b"hostname=kitchen", b"hostname=\x1b[31m", "makes no sense"),
        (b"hostname=kitchen", b"hostname=K\xc3\xbcche", "no plain text"),
        (b"end\n", b"end\nend\n", "makes no sense"),
        (b"end\n", b"model=x\tdeadbeef\nend\n", "no SHA-256"),
    ],
)
def test_what_makes_no_sense_is_refused(
    old: bytes, new: bytes, reason: str, make_facts: Callable[..., Facts]
) -> None:
    answer = told(make_facts())
    assert old in answer
    with pytest.raises(FactsError, match=reason):
        parse_facts(answer.replace(old, new))


def test_an_endless_answer_is_refused() -> None:
    with pytest.raises(FactsError, match="longer than"):
        parse_facts(b"x" * (MOST_BYTES + 1))


def test_no_list_is_endless(make_facts: Callable[..., Facts]) -> None:
    answer = told(make_facts()).replace(b"end\n", b"camera=/dev/video0\tx\tyes\n" * 65 + b"end\n")
    with pytest.raises(FactsError, match="too many"):
        parse_facts(answer)
