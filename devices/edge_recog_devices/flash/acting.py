"""Doing the steps of a plan on a device, and taking them back."""

from __future__ import annotations

import json
import logging
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog.service.addresses import Listen
from edge_recog_devices.errors import FlashError, SupersededError
from edge_recog_devices.flash import steps
from edge_recog_devices.flash.places import BEFORE
from edge_recog_devices.flash.verdict import Verdict, read_verdict
from edge_recog_devices.flash.withdrawing import Stored, withdrawal

if TYPE_CHECKING:
    from edge_recog.service.config.sections import Config
    from edge_recog_devices.flash.hand import Hand

_LOG = logging.getLogger(__name__)

_INSTALL_S: Final = 1800.0
"""For pip, on a small device with a slow card."""
_TRYOUT_S: Final = 300.0
_STORE_S: Final = 120.0
_SPARE_S: Final = 120.0
"""Beside what the watcher waits for."""
_MOST_PICTURE_BYTES: Final = 16 * 2**20
_ANYWHERE: Final = ("", "0.0.0.0", "::")


class Actor:
    """Does steps. What it has changed can be taken back by `undo` until `commit`."""

    def __init__(self, hand: Hand, config: Config) -> None:
        """Touch nothing yet.

        Args:
            hand: On the device.
            config: That the service will have.
        """
        self._hand = hand
        self._places = hand.places
        self._config = config
        self._program = hand.places.program
        """That changes the store."""
        self._model: steps.InstallModel | None = None
        """That the store was told to take, whatever came of it."""
        self.verdict: Verdict | None = None
        """Of the last step that waited for one."""

    def begin(self) -> None:
        """Have the device keep how things are.

        Raises:
            DeviceError: It cannot.
            SupersededError: Another flash is at work; nothing was done.
        """
        self._hand.begin("begin.sh", *self._places.folders)

    def do(self, step: steps.Step) -> None:
        """Do one step.

        Raises:
            DeviceError: It failed.
            SupersededError: Another flash has begun.
        """
        root = self._places.root
        match step:
            case steps.MakeUser():
                self._hand.script("user.sh", root, step.name, self._places.state, *step.groups)
            case steps.SendWheels():
                self._send_wheels(step)
            case steps.MakeEnvironment():
                origin = "wheels" if step.from_wheels else "index"
                words = (step.name, step.python, step.requirement, origin, *step.constraints)
                self._hand.script("environment.sh", root, *words, timeout_s=_INSTALL_S)
            case steps.SendModel():
                self._send_model(step)
            case steps.InstallModel():
                self._install(step)
            case steps.WriteFile():
                self._hand.put_bytes(step.path, step.data, mode=step.mode, key=step.key)
            case steps.UseEnvironment():
                self._hand.script("use.sh", root, step.name)
            case steps.RunService():
                answer = self._hand.script("service.sh", self._places.scope, root, step.how)
                if answer.err:
                    _LOG.warning("%s: %s", self._hand.remote.address, answer.last_words)
            case steps.AwaitHealthy():
                self._await(step)

    def commit(self, stamp: str) -> None:
        """Let what is there now stay.

        Args:
            stamp: By which is known later that it is as it was wanted.

        Raises:
            DeviceError: What was before could not be forgotten; it does no harm.
        """
        self._hand.script("commit.sh", self._places.root, stamp)

    def undo(self) -> None:
        """Put everything back as it was.

        Raises:
            DeviceError: Something could not be; the message says what.
        """
        if self._model is not None:
            self._withdraw(self._model)
        self._hand.script("restore.sh", self._places.scope, self._places.root)

    def answers(self, patience_s: float) -> bool:
        """Tell whether the service answers, with whatever model."""
        try:
            return self._watch("", patience_s=patience_s, healthy_s=0.0).is_healthy
        except EdgeRecogError:
            return False

    def picture(self) -> bytes:
        """Return what the camera sees, as JPEG.

        Raises:
            FlashError: There is none.
        """
        answer = self._observe({"do": "picture"}, timeout_s=60.0, most_bytes=_MOST_PICTURE_BYTES)
        if answer.code != 0 or not answer.out.startswith(b"\xff\xd8"):
            raise FlashError(f"{self._hand.remote.address}: there is no picture of the camera")
        return answer.out  # type: ignore[no-any-return]

    def _send_wheels(self, step: steps.SendWheels) -> None:
        manifest, folder = step.runtime.manifest, step.runtime.folder
        assert manifest is not None
        assert folder is not None
        there = f"{self._places.incoming}/wheels"
        sums = [word for one in manifest.files for word in (one.file, one.sha256)]
        lacking = set(self._hand.look("lacking.sh", there, *sums).decode().split("\n"))
        for one in manifest.files:
            if one.file in lacking:
                with (folder / one.file).open("rb") as file:
                    self._hand.put(f"{there}/{one.file}", file, digest=one.sha256)
        self._hand.put_bytes(f"{there}/requirements.txt", manifest.requirements().encode())

    def _send_model(self, step: steps.SendModel) -> None:
        model = step.model
        path = self._model_path(model.digest)
        self._hand.put(path, model.data, digest=model.digest)
        if model.signature is not None:
            self._hand.put_bytes(f"{path}.sig", model.signature)

    def _install(self, step: steps.InstallModel) -> None:
        words = ["model", "install", self._model_path(step.model.digest)]
        words += ["--dir", self._places.models, "--json", *step.options]
        words += ["--allow-unsigned"] if step.admission.allow_unsigned else []
        words += ["--allow-downgrade"] if step.admission.allow_downgrade else []
        words += ["--force"] if step.admission.insist else []
        if step.environment != BEFORE:
            self._program = f"{self._places.environment(step.environment)}/bin/edge-recog"
        self._model = step
        answer = self._hand.run(self._program, *words, timeout_s=_TRYOUT_S)
        if answer.code != 0:
            told = answer.last_words.removeprefix("edge-recog: ")
            told = told.replace(self._model_path(step.model.digest), step.model.file)
            raise FlashError(f"{self._hand.remote.address}: {told}")

    def _withdraw(self, step: steps.InstallModel) -> None:
        """Have the store be as if it had never got the model, as far as that can be."""
        try:
            for words in withdrawal(step, self._store("list")):
                self._store(*words)
        except SupersededError:
            raise
        except EdgeRecogError as error:
            _LOG.warning("%s", error)

    def _store(self, *words: str) -> Stored:
        command = (self._program, "model", *words, "--json", "--dir", self._places.models)
        answer = self._hand.run(*command, timeout_s=_STORE_S)
        try:
            if answer.code == 0:
                return msgspec.json.decode(answer.out, type=Stored)
        except msgspec.MsgspecError as error:
            raise FlashError(f"{self._hand.remote.address}: its models: {error}") from error
        told = answer.last_words.removeprefix("edge-recog: ")
        raise FlashError(f"{self._hand.remote.address}: model {words[0]}: {told}")

    def _await(self, step: steps.AwaitHealthy) -> None:
        verdict = self._watch(
            f"sha256:{step.digest}", patience_s=step.patience_s, healthy_s=step.healthy_s
        )
        self.verdict = verdict
        if verdict.is_healthy:
            return
        if verdict.verdict == "given-up":
            raise FlashError(f"{self._hand.remote.address}: {step.name} failed: {verdict.reason}")
        raise FlashError(
            f"{self._hand.remote.address}: no healthy answer of {step.name} within "
            f"{step.patience_s:g} s: {verdict.reason}"
        )

    def _watch(self, model: str, *, patience_s: float, healthy_s: float) -> Verdict:
        told = {"do": "watch", "model": model, "patience_s": patience_s, "healthy_s": healthy_s}
        answer = self._observe(told, timeout_s=2 * (patience_s + healthy_s) + _SPARE_S)
        if answer.code != 0:
            raise FlashError(f"{self._hand.remote.address}: cannot be watched: {answer.last_words}")
        return read_verdict(answer.out)

    def _observe(self, told: dict[str, Any], *, timeout_s: float, most_bytes: int = 1 << 20) -> Any:
        web, places = self._config.web, self._places
        url = token_file = ""
        if web is not None:
            listen = Listen.parse(web.listen)
            host = "127.0.0.1" if listen.host in _ANYWHERE else listen.host
            scheme = "http" if web.cert_file is None else "https"
            url = f"{scheme}://{Listen(host, listen.port)}"
            if web.needs_token:
                token_file = web.token_file or f"{places.state}/web-token"
        scope = ["--user"] if places.scope == "user" else []
        document = {
            **told,
            "url": url,
            "token_file": token_file,
            "store_command": [places.program, "model", "list", "--json", "--dir", places.models],
            "state_command": ["systemctl", *scope, "is-active", "--quiet", "edge-recog.service"],
        }
        program = resources.files(__package__).joinpath("observe.py").read_bytes()
        words = (f"{places.venv}/bin/python", "-I", "-", json.dumps(document))
        return self._hand.observe(*words, given=program, timeout_s=timeout_s, most_bytes=most_bytes)

    def _model_path(self, digest: str) -> str:
        return f"{self._places.incoming}/{digest[:16]}.tflite"
