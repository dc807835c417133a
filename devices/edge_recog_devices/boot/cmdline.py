"""The kernel's command line in `cmdline.txt`, and what of it is ours.

The firmware takes the first line (<https://www.raspberrypi.com/documentation/computers/configuration.html>,
"kernel command line"). Ours are:

- `ds=nocloud;i=ID`: by which cloud-init knows that this is a new first boot. An id here overrides
  the one in `meta-data` (DataSourceNoCloud.py: "Values in the command line override those from the
  seed"), and Raspberry Pi Imager writes one (rpi-imager, `imagewriter.cpp`), so it is replaced.
- `systemd.run=/boot/firmware/firstrun.sh` and its actions (systemd-run-generator(8)), as Imager
  writes them for images without cloud-init. By default the machine would be switched off then.
- `cfg80211.ieee80211_regdom=`: the country of the radio, as raspi-config's `do_wifi_country` does.

Other words stay as they are and in their order: the first boot itself changes some (`init=`,
`resize`, `root=PARTUUID=`), by patterns that expect single spaces.
"""

from __future__ import annotations

import re
from typing import Final

from edge_recog.errors import UsageError

INSTANCE_PREFIX: Final = "edge-recog-"
FIRSTRUN: Final = "/boot/firmware/firstrun.sh"
_RUN: Final = (
    f"systemd.run={FIRSTRUN}",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
_MOST_BYTES: Final = 1024
"""Of the result: 32-bit ARM kernels take no more (arch/arm/include/uapi/asm/setup.h)."""

_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_OURS = re.compile(r"ds=nocloud(-net)?(;.*)?|systemd\.run(_success_action|_failure_action)?=.*")
_TARGET: Final = "systemd.unit=kernel-command-line.target"
_COUNTRY: Final = "cfg80211.ieee80211_regdom="


def read_cmdline(data: bytes) -> tuple[str, ...]:
    """Return the words of a `cmdline.txt`.

    Raises:
        UsageError: It is no kernel's command line.
    """
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise UsageError("cmdline.txt is no plain text") from None
    lines = [line for line in text.rstrip("\0").splitlines() if line.strip()]
    if len(lines) != 1 or not lines[0].isprintable() or lines[0].count('"') % 2:
        raise UsageError("cmdline.txt is not one line of words")
    words = tuple(_WORD.findall(lines[0]))
    if not any(word.startswith("root=") for word in words):
        raise UsageError("cmdline.txt does not say where the system is (root=)")
    return words


def with_cloud_init(words: tuple[str, ...], instance: str, country: str | None) -> bytes:
    """Return the `cmdline.txt` by which cloud-init begins anew."""
    return _written(words, (f"ds=nocloud;i={instance}",), country)


def with_firstrun(words: tuple[str, ...], country: str | None) -> bytes:
    """Return the `cmdline.txt` by which systemd runs `firstrun.sh` and nothing else."""
    return _written(words, _RUN, country)


def is_ours(words: tuple[str, ...]) -> bool:
    """Return whether we have written a `cmdline.txt` that has not been acted on."""
    return any(
        word.startswith(f"ds=nocloud;i={INSTANCE_PREFIX}") or word == _RUN[0] for word in words
    )


def _written(words: tuple[str, ...], ours: tuple[str, ...], country: str | None) -> bytes:
    kept = [
        word
        for word in words
        if not _OURS.fullmatch(word)
        and word != _TARGET
        and not (country and word.startswith(_COUNTRY))
    ]
    line = " ".join([*kept, *([f"{_COUNTRY}{country}"] if country else []), *ours]) + "\n"
    if len(line) > _MOST_BYTES:
        raise UsageError(
            f"cmdline.txt would have {len(line)} bytes, and kernels take {_MOST_BYTES}; shorten it"
        )
    return line.encode("ascii")
