"""The table of all checks, and going through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.doctor import accelerator, board, camera, model, network, packages, power, storage
from edge_recog.doctor.findings import Finding, bad, skipped
from edge_recog.doctor.first_frame import judge_frame, read_frame
from edge_recog.doctor.timing import median_ms, read_first_answer, time_threads
from edge_recog.errors import EdgeRecogError
from edge_recog.interpreters.trial import try_model
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edge_recog.doctor.subject import Subject


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong."""

    id: str
    """Stable, for programs."""
    title: str
    """For people."""
    look: Callable[[Subject], Finding]
    """Gathers the facts and judges them."""


@dataclass(frozen=True)
class Row:
    """A check and what it found."""

    check: Check
    finding: Finding


def examine(subject: Subject, checks: Iterable[Check] | None = None) -> Iterator[Row]:
    """Yield what each check finds, in the order of the table."""
    for check in CHECKS if checks is None else checks:
        try:
            finding = check.look(subject)
        except (OSError, EdgeRecogError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            finding = bad(
                f"could not be checked: {reason}", "see to that first, then run the doctor again"
            )
        yield Row(check, finding)


def _python(subject: Subject) -> Finding:
    return packages.judge_python(packages.read_python(), subject.system)


def _interpreter(subject: Subject) -> Finding:
    return packages.judge_interpreter(subject.interpreters, subject.versions)


def _numpy(subject: Subject) -> Finding:
    tried = (*subject.interpreters, *subject.numpy_users)
    return packages.judge_numpy(tried, subject.versions)


def _opencv(subject: Subject) -> Finding:
    found = [one for one in subject.numpy_users if one.module == "cv2"]
    return packages.judge_opencv(found[0] if found else None, subject.versions)


def _bindings(subject: Subject) -> Finding:
    bindings = camera.read_bindings(subject.machine)
    return camera.judge_bindings(bindings, subject.system, subject.source)


def _camera_in_use(subject: Subject) -> Finding:
    holders = camera.read_camera_holders(subject.machine)
    device = camera.device_of(subject.machine, subject.source)
    return camera.judge_holders(holders, subject.source, device)


def _first_frame(subject: Subject) -> Finding:
    if subject.source is None:
        return judge_frame(None)
    return judge_frame(read_frame(subject.machine, subject.source))


def _edge_tpu_library(subject: Subject) -> Finding:
    needed = subject.model_needs_edge_tpu is True
    return accelerator.judge_library(subject.edge_tpus, model_needs_it=needed)


def _edge_tpu_usb(subject: Subject) -> Finding:
    usb = accelerator.read_usb_power(subject.machine)
    return accelerator.judge_usb(subject.edge_tpus, usb, subject.throttled)


def _model_file(subject: Subject) -> Finding:
    bundle, problem = subject.opened
    if subject.model_path is None:
        return skipped(problem)
    return model.judge_file(bundle, problem)


def _model_runtime(subject: Subject) -> Finding:
    bundle, _ = subject.opened
    if bundle is None:
        return skipped(subject.runnable[1])
    working = [one for one in subject.interpreters if one.works]
    if not working:
        return skipped("no interpreter can be imported")
    trial = model.Trial(
        runtime=packages.product(working[0], subject.versions),
        problem=subject.trial_problem,
        oldest_runtime=model.needed_release(bundle),
    )
    return model.judge_trial(trial)


def _running(look: Callable[[Subject, Bundle], Finding]) -> Callable[[Subject], Finding]:
    """Return a check of how the model runs, which is skipped where it does not."""

    def check(subject: Subject) -> Finding:
        bundle, why = subject.runnable
        return skipped(why) if bundle is None else look(subject, bundle)

    return check


def _golden(subject: Subject, bundle: Bundle) -> Finding:
    if not bundle.golden():
        return model.judge_golden(None)
    with Classifier.open(bundle, delegate=subject.delegate) as classifier:
        return model.judge_golden(verify(classifier))


def _first_answer(subject: Subject, bundle: Bundle) -> Finding:
    path = subject.model_path
    assert path is not None, bundle.where
    answer = read_first_answer(subject.machine, path, delegate=subject.delegate)
    return model.judge_first_answer(answer)


def _threads(subject: Subject, bundle: Bundle) -> Finding:
    if subject.delegate is not None:
        return skipped("the model runs on the Edge TPU")
    medians_ms = time_threads(bundle, cores=board.usable_cores(), wanted=subject.threads)
    return model.judge_threads(medians_ms, subject.threads)


def _int8(subject: Subject, bundle: Bundle) -> Finding:
    path = subject.float_path
    if path is None:
        return skipped("no float twin to compare with: --float NAME-float.tflite")
    if subject.delegate is not None:
        return skipped("the model runs on the Edge TPU")
    twin = Bundle.open(path)
    try_model(twin.data)
    both = [median_ms(one, threads=subject.threads) for one in (bundle, twin)]
    return model.judge_int8(*both)


def _xnnpack(subject: Subject, bundle: Bundle) -> Finding:
    if subject.delegate is not None:
        return skipped("the model runs on the Edge TPU")
    compatibility = bundle.manifest.compatibility if bundle.manifest else None
    with Classifier.open(bundle) as classifier:
        return model.judge_xnnpack(
            classifier.runtime, compatibility.xnnpack if compatibility else None
        )


def _port(subject: Subject) -> Finding:
    if subject.listen is None:
        return network.judge_port(None)
    return network.judge_port(network.read_port(subject.machine, subject.listen))


def _broker(subject: Subject) -> Finding:
    if subject.broker is None:
        return network.judge_broker(None)
    return network.judge_broker(network.greet(subject.broker, subject.broker_password))


CHECKS = (
    Check("operating-system", "Operating system", lambda s: board.judge_system(s.system)),
    Check("python", "Python and its wheels", _python),
    Check("interpreter", "TFLite interpreter", _interpreter),
    Check("numpy-abi", "NumPy", _numpy),
    Check("opencv", "OpenCV", _opencv),
    Check("camera-bindings", "Camera bindings", _bindings),
    Check("camera-permission", "Right to open cameras", lambda s: camera.judge_access(s.access)),
    Check("camera-in-use", "Camera in use", _camera_in_use),
    Check("first-frame", "First frame", _first_frame),
    Check(
        "colour-order", "Colour order", lambda s: camera.judge_colour(camera.read_stream(s.source))
    ),
    Check("stride", "Padded rows", lambda s: camera.judge_stride(camera.read_stream(s.source))),
    Check("under-voltage", "Supply voltage", lambda s: power.judge_under_voltage(s.throttled)),
    Check("throttling", "Throttling", lambda s: power.judge_throttling(s.throttled)),
    Check(
        "temperature",
        "Temperature",
        lambda s: power.judge_temperature(power.read_temperature(s.machine, s.system)),
    ),
    Check(
        "cpu-governor", "CPU clock", lambda s: board.judge_governor(board.read_governor(s.machine))
    ),
    Check("clock", "Time of day", lambda s: board.judge_clock(board.read_clock(s.machine))),
    Check("memory", "Memory", lambda s: storage.judge_memory(storage.read_memory(s.machine))),
    Check("swap", "Swap", lambda s: storage.judge_swap(storage.read_swaps(s.machine), s.mount)),
    Check("disk-space", "Disk space", lambda s: storage.judge_space(storage.read_space(s.machine))),
    Check("file-system", "File system", lambda s: storage.judge_file_system(s.mount)),
    Check(
        "journal",
        "Journal",
        lambda s: storage.judge_journal(storage.read_journal(s.machine), s.mount),
    ),
    Check("edge-tpu-library", "Edge TPU and its library", _edge_tpu_library),
    Check(
        "edge-tpu-permission",
        "Right to use the Edge TPU",
        lambda s: accelerator.judge_permission(s.edge_tpus, s.access.user),
    ),
    Check("edge-tpu-usb", "Edge TPU's power and speed", _edge_tpu_usb),
    Check(
        "edge-tpu-model",
        "Model and Edge TPU",
        lambda s: accelerator.judge_compiled(s.edge_tpus, model_needs_it=s.model_needs_edge_tpu),
    ),
    Check("model-file", "Model file", _model_file),
    Check("model-runtime", "Model and interpreter", _model_runtime),
    Check("golden-vectors", "Golden vectors", _running(_golden)),
    Check("first-answer", "Time to first answer", _running(_first_answer)),
    Check("threads", "Threads", _running(_threads)),
    Check("int8-speed", "INT8 against float", _running(_int8)),
    Check("xnnpack", "XNNPACK", _running(_xnnpack)),
    Check("port", "Address to listen on", _port),
    Check("broker", "MQTT broker", _broker),
)
"""In the order in which one thing rests on another."""
