"""One device from the log-in to the verdict."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from edge_recog.errors import EdgeRecogError
from edge_recog_devices.errors import (
    DeviceError,
    FactsError,
    FlashError,
    SupersededError,
    UnfitError,
)
from edge_recog_devices.flash import settings
from edge_recog_devices.flash.acting import Actor
from edge_recog_devices.flash.hand import Hand
from edge_recog_devices.flash.places import SYSTEM, user_places
from edge_recog_devices.flash.planning import (
    Device,
    config_text,
    is_settled,
    needs_runtime,
    plan,
    stamp_of,
)
from edge_recog_devices.flash.refusing import (
    refuse_bad,
    refuse_powerless,
    refuse_steps,
    refuse_unfit,
)
from edge_recog_devices.flash.state import MOST_BYTES, Installed, parse_survey
from edge_recog_devices.flash.wanted import EXTRAS, Runtime
from edge_recog_devices.probing import chosen_python, match, probe
from edge_recog_devices.probing.matching import is_fit_python
from edge_recog_devices.profiles import shipped_profiles
from edge_recog_devices.remote import Remote
from edge_recog_devices.wheels.cache import collected
from edge_recog_devices.wheels.target import target_of_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from edge_recog_devices.flash.places import Places
    from edge_recog_devices.flash.steps import Step
    from edge_recog_devices.flash.verdict import Verdict
    from edge_recog_devices.flash.wanted import Wanted
    from edge_recog_devices.probing import Facts
    from edge_recog_devices.probing.facts import Python
    from edge_recog_devices.profiles import Profile
    from edge_recog_devices.remote import Address

_LOG = logging.getLogger(__name__)
_ROOT: Final = "0"
_OLD_ANSWERS_S: Final = 60.0
"""That the service of before gets to answer again."""

Result = Literal["planned", "unchanged", "installed", "updated", "failed", "skipped"]


@dataclass(frozen=True)
class Way:
    """How devices are reached and what they get, besides what they shall run."""

    for_user: bool = False
    """Install for whoever logs in, without root."""
    offline: bool = False
    """Send wheels where edge_recog has to be installed."""
    python: tuple[int, int] | None = None
    """Version to install with; the fittest one if None."""
    connect_timeout_s: int = 10
    interactive: bool = False
    """Let ssh ask on the terminal."""
    wants_picture: bool = False
    """Fetch what the camera sees."""


@dataclass(frozen=True)
class Outcome:
    """What became of one device."""

    host: str
    result: Result
    steps: tuple[str, ...] = ()
    """Of the plan."""
    error: str = ""
    """A sentence, if it failed."""
    device: str = ""
    """What it is, for people."""
    verdict: Verdict | None = None
    picture: bytes = b""
    """JPEG, if it was asked for."""


class Session:
    """One device: looked at once by `prepare`, changed by `act`."""

    def __init__(self, address: Address, wanted: Wanted, way: Way) -> None:
        """Touch nothing yet."""
        self.address = address
        self._wanted = wanted
        self._way = way
        self._remote = Remote(
            address,
            connect_timeout_s=way.connect_timeout_s,
            interactive=way.interactive,
        )
        self._hand: Hand | None = None
        self._device: Device | None = None
        self.steps: tuple[Step, ...] = ()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Log out. Safe to call twice."""
        with suppress(DeviceError):
            self._remote.close()

    @property
    def is_first(self) -> bool:
        """Whether edge_recog is to be installed where it has not been."""
        return self._device is not None and not self._device.installed.is_there

    @property
    def title(self) -> str:
        """What the device is, for people; empty before it was looked at."""
        if self._device is None:
            return ""
        facts = self._device.facts
        board = facts.board or facts.hostname
        return f"{board} · {facts.userland} · Python {self._device.python.version}"

    def prepare(self) -> None:
        """Log in, look, and plan. Nothing is changed there.

        Raises:
            EdgeRecogError: It cannot be reached, or cannot have what is wanted.
        """
        self._remote.open()
        try:
            self._look()
        except UnfitError as error:
            raise UnfitError(f"{self.address}: {error}") from error

    def act(self, told: Callable[[Step], object] = lambda step: None) -> Outcome:
        """Do the plan; if that fails, leave the device as it was.

        Args:
            told: Called before each step.

        Raises:
            FlashError: It failed; the message says how the device is now.
            SupersededError: Another flash of it counts, and decides what becomes of it.
        """
        outcome = Outcome(
            str(self.address), "unchanged", tuple(map(str, self.steps)), device=self.title
        )
        if not self.steps:
            return outcome
        actor = self._actor()
        try:
            actor.begin()
            for step in self.steps:
                told(step)
                actor.do(step)
        except KeyboardInterrupt as error:
            _LOG.warning("%s", self._taken_back(actor, error))
            raise
        except SupersededError:
            raise
        except BaseException as error:
            raise self._taken_back(actor, error) from error
        try:
            actor.commit(self._stamp())
        except DeviceError as error:
            _LOG.warning("%s", error)
        picture = b""
        if self._way.wants_picture:
            picture = actor.picture()
        result: Result = "installed" if self.is_first else "updated"
        return replace(outcome, result=result, verdict=actor.verdict, picture=picture)

    def _look(self) -> None:
        who, home = self._who()
        places = user_places(home) if self._way.for_user else SYSTEM
        hand = Hand(self._remote, places, with_sudo=places.scope == "system" and who != _ROOT)
        # Who may not become root sees nothing here, and is told why below.
        with suppress(FlashError):
            installed = self._survey(hand, places)
            if is_settled(places, installed, self._wanted, self._way.python):
                return
        facts = probe(self._remote, places.root)
        profile = match(facts, shipped_profiles())
        if profile is None:
            refuse_unfit(facts, profile, is_there=False)
        assert profile is not None
        refuse_powerless(facts, places)
        installed = self._survey(hand, places)
        refuse_unfit(facts, profile, is_there=installed.is_there)
        refuse_powerless(facts, places, installed)
        refuse_bad(installed, self._wanted)
        device = Device(places, facts, profile, self._python(facts), installed)
        self._wanted = self._with_wheels(facts, profile, installed)
        self._hand, self._device = hand, device
        self.steps = tuple(plan(device, self._wanted))
        refuse_steps(facts, profile, self.steps)

    def _who(self) -> tuple[str, str]:
        """Return the number of the user who is logged in, and their folder."""
        answer = self._remote.run("sh", "-c", 'printf "%s %s" "$(id -u)" "$HOME"')
        who, _, home = answer.out.decode("utf-8", "replace").partition(" ")
        return who, home

    def _stamp(self) -> str:
        assert self._hand is not None
        assert self._device is not None
        places = self._device.places
        return stamp_of(places, self._survey(self._hand, places), self._wanted, self._way.python)

    def _survey(self, hand: Hand, places: Places) -> Installed:
        words = (places.scope, places.root, places.config, places.unit, places.rules)
        more = (places.models, places.anchor)
        told = hand.look("survey.sh", *words, *more, most_bytes=MOST_BYTES)
        try:
            return parse_survey(told)
        except FactsError as error:
            raise FactsError(f"{self.address}: {error}") from error

    def _python(self, facts: Facts) -> Python:
        if self._way.python is None:
            found = chosen_python(facts)
        else:
            fit = [one for one in facts.pythons if one.minor == self._way.python]
            found = next((one for one in fit if is_fit_python(one) and one.venv), None)
        if found is None:
            wanted = ".".join(map(str, self._way.python or ()))
            told = ", ".join(f"{one.version} ({one.path})" for one in facts.pythons) or "none"
            raise UnfitError(
                f"no Python {wanted}".rstrip() + f" that can be used: it has {told}; "
                "sudo apt install python3 python3-venv"
            )
        return found

    def _with_wheels(self, facts: Facts, profile: Profile, installed: Installed) -> Wanted:
        """Return what is wanted, with wheels collected if the device needs some from here."""
        wanted = self._wanted
        runtime = wanted.runtime
        is_needed = self._way.offline and needs_runtime(installed, wanted)
        if not is_needed or runtime.manifest is not None:
            return wanted
        folder = collected(target_of_facts(facts, profile), EXTRAS)
        return replace(wanted, runtime=Runtime.from_wheels(folder, reinstall=runtime.reinstall))

    def _actor(self) -> Actor:
        assert self._hand is not None
        assert self._device is not None
        text = config_text(self._device, self._wanted)
        return Actor(self._hand, settings.checked(text, where="the configuration"))

    def _taken_back(self, actor: Actor, error: BaseException) -> FlashError:
        """Undo, and return the error with what the device is now."""
        what = str(error) or type(error).__name__
        if isinstance(error, KeyboardInterrupt):
            what = f"{self.address}: interrupted"
        try:
            actor.undo()
        except SupersededError as second:
            return FlashError(f"{what}; it was not put back as it was ({second})")
        except EdgeRecogError as second:
            return FlashError(
                f"{what}; it could not be put back as it was ({second}): run the same command "
                "again once the device answers, it goes on from there"
            )
        assert self._device is not None
        if not self._device.installed.runs:
            return FlashError(f"{what}; everything is as it was before")
        if self._answers_as_before():
            return FlashError(f"{what}; it answers with the model from before")
        return FlashError(
            f"{what}; the model and service from before are back, but do not answer: see "
            "journalctl -u edge-recog"
        )

    def _answers_as_before(self) -> bool:
        assert self._hand is not None
        assert self._device is not None
        try:
            config = settings.checked(self._device.installed.config or "", where="there")
        except EdgeRecogError:
            return False
        return Actor(self._hand, config).answers(_OLD_ANSWERS_S)
