"""What is examined: a machine, and what is meant to run on it. Each fact is looked up once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from edge_recog.bundle import Bundle
from edge_recog.doctor import accelerator, board, camera, packages, power, storage
from edge_recog.doctor.probes import Machine
from edge_recog.errors import BundleError, EdgeRecogError
from edge_recog.interpreters import DelegateSpec
from edge_recog.interpreters.trial import try_model
from edge_recog.models import default_model

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.doctor.accelerator import EdgeTpus
    from edge_recog.doctor.board import System
    from edge_recog.doctor.camera import Access
    from edge_recog.doctor.packages import Import
    from edge_recog.doctor.storage import Mount
    from edge_recog.service.addresses import Listen
    from edge_recog.service.mqtt.settings import Broker

_EDGE_TPU = "edgetpu"


@dataclass
class Subject:
    """A machine and what is meant to run on it."""

    machine: Machine = field(default_factory=Machine)
    model: Path | None = None
    """None for the built-in one, if there is one."""
    float_model: Path | None = None
    """The float twin to compare with; None for NAME-float.tflite beside NAME.tflite, if it is
    there."""
    threads: int = 1
    """How many are meant to be used."""
    source: str | None = None
    listen: Listen | None = None
    broker: Broker | None = None
    broker_password: bytes | None = field(default=None, repr=False)

    @cached_property
    def system(self) -> System:
        """Board and operating system."""
        return board.read_system(self.machine)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Installed distributions."""
        return packages.read_versions()

    @cached_property
    def interpreters(self) -> tuple[Import, ...]:
        """How importing the interpreters went."""
        return packages.read_interpreters(self.machine)

    @cached_property
    def numpy_users(self) -> tuple[Import, ...]:
        """How importing other libraries on top of NumPy went."""
        return packages.read_numpy_users(self.machine)

    @cached_property
    def access(self) -> Access:
        """This user's rights to cameras."""
        return camera.read_access(self.machine)

    @cached_property
    def throttled(self) -> int | None:
        """The firmware's word on voltage and throttling."""
        return power.read_throttled(self.machine)

    @cached_property
    def mount(self) -> Mount | None:
        """Where the root of the file tree is."""
        return storage.read_root_mount(self.machine)

    @cached_property
    def edge_tpus(self) -> EdgeTpus:
        """Accelerators that are plugged in."""
        return accelerator.read_edge_tpus(self.machine)

    @cached_property
    def model_path(self) -> Path | None:
        """The model's file; None if none is named and none is built in."""
        if self.model is not None:
            return self.model
        try:
            return default_model()
        except BundleError:
            return None

    @cached_property
    def opened(self) -> tuple[Bundle | None, str]:
        """The model, or None and why there is none."""
        if self.model_path is None:
            return None, "no model is named, and none is built in"
        try:
            return Bundle.open(self.model_path), ""
        except BundleError as error:
            return None, str(error)

    @property
    def model_needs_edge_tpu(self) -> bool | None:
        """Whether the model is compiled for the Edge TPU; None if there is no model."""
        bundle, _ = self.opened
        return None if bundle is None else bundle.needs_edgetpu

    @property
    def delegate(self) -> str | None:
        """The accelerator that the model needs."""
        return _EDGE_TPU if self.model_needs_edge_tpu else None

    @cached_property
    def trial_problem(self) -> str:
        """Why the model does not run here, tried in a process of its own; empty if it does."""
        bundle, why = self.opened
        if bundle is None:
            return why
        delegate = None if self.delegate is None else DelegateSpec.parse(self.delegate)
        try:
            try_model(bundle.data, delegate=delegate)
        except EdgeRecogError as error:
            return str(error)
        return ""

    @cached_property
    def runnable(self) -> tuple[Bundle | None, str]:
        """The model if it runs here, or None and why nothing can be said of its running."""
        bundle, why = self.opened
        if bundle is None:
            return None, why if self.model_path is None else "the model cannot be opened"
        if self.trial_problem:
            return None, "the model does not run here"
        return bundle, ""

    @property
    def float_path(self) -> Path | None:
        """The float twin of the model; None if there is none."""
        if self.float_model is not None or self.model_path is None:
            return self.float_model
        twin = self.model_path.with_name(f"{self.model_path.stem}-float.tflite")
        return twin if twin.is_file() else None
