"""The device that a recipe names, and what follows from its profile.

- Whole integers where it has an Edge TPU, which maps nothing else: no layer is left in float.
- As many threads as its profile allows the interpreter, wherever a build times a file.
- What must hold of the file, as far as a workstation can tell. Its latency there only the device
  can tell: the budget is told here, and held to where the model is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from edge_recog_devices.profiles.reading import find_profile, load_profile

from edge_recog.store.tryout import try_on_device
from edge_recog_converter.errors import RecipeError, UnfitError
from edge_recog_converter.report.document import Check, Device

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_devices.profiles.schema import Profile

    from edge_recog.contract import Compatibility
    from edge_recog.store.tryout import Outcome
    from edge_recog_converter.acceptance.sections import Accept

SERVICE_MB: Final = 116
"""Resident memory of the live classifier with web page, MQTT and a model of 4 MB, as measured on
x86 (docs/live.md), in MB of 1,000,000 bytes: what a model adds is counted on top, to be careful."""
_MIB: Final = 2**20 / 1e6
"""In MB."""
_FLOATS: Final = "mixed-precision"
"""The one way to quantise that leaves layers in float."""
_TRYOUT_MB: Final = 4096.0
"""Enough for any model: what it takes is judged afterwards."""


class TargetDevice:
    """A profile, and what it means for a build."""

    def __init__(self, profile: Profile) -> None:
        """Take it."""
        self.profile = profile

    @property
    def threads(self) -> int:
        """For the interpreter."""
        return self.profile.budgets.threads

    @property
    def has_edge_tpu(self) -> bool:
        """Whether the model is for an Edge TPU."""
        return any(one.startswith("coral") for one in self.profile.hardware.accelerators)

    def narrowed(self, accept: Accept) -> Accept:
        """Return how to quantise, less what the device cannot use.

        Raises:
            RecipeError: Nothing is left.
        """
        if not self.has_edge_tpu:
            return accept
        rungs = tuple(rung for rung in accept.rungs if rung != _FLOATS)
        if not rungs:
            raise RecipeError(
                f"accept.rungs names only {_FLOATS}, and the Edge TPU of {self.profile.title} "
                "takes no layer in float: name other ways, or leave rungs out"
            )
        return msgspec.structs.replace(accept, rungs=rungs)

    def check(self, tflite: bytes, compatibility: Compatibility | None, *, where: str) -> Device:
        """Return what can be said of a sealed model file; it is run in a process of its own.

        Raises:
            UnfitError: It cannot run there; says why.
            EdgeRecogError: It crashes, or answers its golden vectors wrongly.
        """
        outcome = try_on_device(tflite, where=where, threads=self.threads, memory_mb=_TRYOUT_MB)
        checks = judge(self.profile, outcome, compatibility)
        bad = [check.text for check in checks if check.outcome == "bad"]
        if bad:
            raise UnfitError(f"{where} is not for {self.profile.title}: {'; '.join(bad)}")
        return Device(
            name=self.profile.name, title=self.profile.title, threads=self.threads, checks=checks
        )


def find_device(name: str | None, base: Path) -> TargetDevice | None:
    """Return what a recipe names: a profile that comes with the package, or a `.toml` file.

    Args:
        name: As in the recipe.
        base: Folder of the recipe, which files are relative to.

    Raises:
        EdgeRecogError: There is none of this name, or the file is none.
    """
    if name is None:
        return None
    if name.endswith(".toml"):
        return TargetDevice(load_profile(base / name))
    return TargetDevice(find_profile(name))


def judge(
    profile: Profile, outcome: Outcome, compatibility: Compatibility | None
) -> tuple[Check, ...]:
    """Return what holds of a file, and what does not.

    Args:
        profile: Of the device.
        outcome: What the file did on this machine, with the profile's threads.
        compatibility: What accelerators would take of it; None if that is not known.
    """
    checks = [_latency(profile, outcome), _memory(profile, outcome)]
    if compatibility is not None and compatibility.edge_tpu is not None:
        edge_tpu = any(one.startswith("coral") for one in profile.hardware.accelerators)
        checks += _edge_tpu(compatibility) if edge_tpu else _kernels(compatibility)
    return tuple(checks)


def _latency(profile: Profile, outcome: Outcome) -> Check:
    budget_ms = profile.budgets.latency_ms
    told = f"a picture takes {outcome.p50_ms:.2f} ms here, and may take {budget_ms:g} ms there"
    if outcome.p50_ms > budget_ms:
        return Check(
            title="latency",
            outcome="warning",
            text=f"{told}: unless that device is faster than this machine, take a smaller input "
            "or prune",
        )
    return Check(
        title="latency",
        outcome="good",
        text=f"{told}, which only the device can show; edge-recog model install "
        f"--most-ms {budget_ms:g} holds it to that",
    )


def _memory(profile: Profile, outcome: Outcome) -> Check:
    allowed_mib = profile.budgets.memory_mb
    if outcome.memory_mb is None:
        return Check(
            title="memory", outcome="warning", text="this system does not say what it takes"
        )
    needed_mib = (SERVICE_MB + outcome.memory_mb) / _MIB
    told = (
        f"the model takes {outcome.memory_mb:.1f} MB here, with the service about "
        f"{needed_mib:.0f} of {allowed_mib} MiB"
    )
    if needed_mib > allowed_mib:
        return Check(title="memory", outcome="bad", text=f"{told}: take a smaller model")
    return Check(title="memory", outcome="good", text=told)


def _kernels(compatibility: Compatibility) -> list[Check]:
    facts = compatibility.xnnpack
    if facts is None:
        return []
    told = f"XNNPACK takes {facts.taken} of {facts.total} operators"
    if facts.taken == facts.total:
        return [Check(title="kernels", outcome="good", text=told)]
    left = ", ".join(facts.left)
    return [Check(title="kernels", outcome="warning", text=f"{told}, not {left}")]


def _edge_tpu(compatibility: Compatibility) -> list[Check]:
    facts = compatibility.edge_tpu
    assert facts is not None
    told = f"the Edge TPU would map {facts.mapped} of {facts.total} operators"
    first = facts.breaks_at
    broken = "" if first is None else f"; {first.name} at {first.index} breaks: {first.reason}"
    if not facts.mapped or facts.open_batch:
        why = broken or "; its batch size is open"
        return [Check(title="edge tpu", outcome="bad", text=f"{told}{why}")]
    size = f"{facts.parameters_bytes / 1e6:.1f} MB of parameters"
    checks = [
        Check(title="edge tpu", outcome="warning" if broken else "good", text=f"{told}{broken}")
    ]
    if facts.fits_on_chip:
        text = f"{size} fit into its memory; compile it with edgetpu_compiler, which decides"
        checks.append(Check(title="edge tpu memory", outcome="good", text=text))
    else:
        text = f"{size} do not fit into its memory of about 8 MB: the rest is sent for each picture"
        checks.append(Check(title="edge tpu memory", outcome="warning", text=text))
    return checks
