"""Looking into the store, which needs no lock and changes nothing.

root/
  state.json               the only truth: active, previous, candidate, what is kept
  state.copy.json          the same, for when a bit of the first one has flipped
  versions/DIGEST/         model.tflite; model_edgetpu.tflite if it has a twin for the Edge TPU;
                           beside each, if it is signed, its signature, NAME.sig
  incoming/                on its way in or out; empty unless somebody is at work
  store.lock, trial.lock   held while the store is changed, and while a candidate runs
"""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog.bundle import MAX_MODEL_BYTES, Bundle
from edge_recog.errors import BundleError
from edge_recog.interpreters.twins import Twins, compiled_twin
from edge_recog.models import default_model
from edge_recog.store import document
from edge_recog.store.errors import (
    DamagedVersionError,
    UnreadableVersionError,
    UnusableStoreError,
)
from edge_recog.store.identity import Files
from edge_recog.store.state import BUILT_IN, DIGEST, State

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.store.folder import Folder

STATE: Final = "state.json"
COPY: Final = "state.copy.json"
VERSIONS: Final = "versions"
INCOMING: Final = "incoming"
MODEL: Final = "model.tflite"
SIGNATURE: Final = "model.tflite.sig"
COMPILED: Final = "model_edgetpu.tflite"
COMPILED_SIGNATURE: Final = "model_edgetpu.tflite.sig"
MOST_SIGNATURE_BYTES: Final = 65_536
_DAMAGE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EFBIG, errno.EINVAL}
)
"""What says for certain that a file is not there as it should be."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the state files say."""

    state: State
    is_whole: bool
    """Whether both have it, so that there is nothing to mend."""
    is_lost: bool = False
    """Whether there was a state once, and neither file has it any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The model to run."""

    model: str
    """A digest, or `built-in`."""
    bundle: Bundle
    """Checked: these very bytes are to be run."""
    compiled: Bundle | None = None
    """Its twin for the Edge TPU, checked as well."""
    on_trial: bool = False
    notes: tuple[str, ...] = ()
    """Sentences: what was passed over, and why."""

    @property
    def twins(self) -> Twins:
        """Both files, for whoever decides where they run."""
        return Twins(self.bundle, self.compiled)


def model_path(digest: str) -> str:
    """Return where a version's model is, relative to the root."""
    return f"{VERSIONS}/{digest}/{MODEL}"


def signature_path(digest: str) -> str:
    """Return where a version's signature is."""
    return f"{VERSIONS}/{digest}/{SIGNATURE}"


def compiled_path(digest: str) -> str:
    """Return where a version's compiled twin is."""
    return f"{VERSIONS}/{digest}/{COMPILED}"


def compiled_signature_path(digest: str) -> str:
    """Return where the signature of a version's compiled twin is."""
    return f"{VERSIONS}/{digest}/{COMPILED_SIGNATURE}"


def kept_digests(folder: Folder) -> list[str]:
    """Return the digests for which there are files, whatever the state says."""
    return [name for name in folder.names(VERSIONS) if DIGEST.fullmatch(name)]


def read_state(folder: Folder) -> Found:
    """Return the newest state that is whole.

    Raises:
        UnusableStoreError: Neither file can be read now, or it is of a newer version of this
            program.
        OSError: The folder cannot be read at all.
    """
    states: list[State | None] = []
    refused: UnusableStoreError | None = None
    is_new = True
    for name in (STATE, COPY):
        state = None
        try:
            state = document.decode(folder.read(name, most_bytes=document.MOST_BYTES))
            is_new = False
        except FileNotFoundError:
            pass
        except UnusableStoreError as error:
            refused = UnusableStoreError(f"{folder.path / name}: {error}")
        except OSError as error:
            is_new = False
            if error.errno not in _DAMAGE:
                # To begin anew now would throw away what may be read again later.
                reason = error.strerror or error
                refused = UnusableStoreError(
                    f"{folder.path / name}: cannot be read: {reason}; if that stays so, remove it"
                )
        states.append(state)
    whole = [state for state in states if state is not None]
    if whole:
        newest = max(whole, key=lambda state: state.generation)
        return Found(newest, is_whole=states == [newest, newest])
    if refused is not None:
        raise refused
    is_lost = not is_new or bool(kept_digests(folder))
    return Found(State(), is_whole=False, is_lost=is_lost)


def read_files(folder: Folder, digest: str) -> Files:
    """Return the bytes of a version's model, and of its compiled twin if it has one.

    Raises:
        DamagedVersionError: They are not those that were installed.
        UnreadableVersionError: The disk does not give them back.
    """
    # What fails once may have been a moment's fault.
    with contextlib.suppress(DamagedVersionError):
        return _read_files_once(folder, digest)
    return _read_files_once(folder, digest)


def read_signature(folder: Folder, digest: str, *, compiled: bool = False) -> bytes | None:
    """Return the bytes of a version's signature; None if there is none.

    Whether it is sound, whoever verifies it will tell.

    Args:
        folder: The store.
        digest: Of the version.
        compiled: Whether that of its compiled twin is meant.

    Raises:
        DamagedVersionError: It cannot be read.
    """
    name = compiled_signature_path(digest) if compiled else signature_path(digest)
    try:
        return folder.read(name, most_bytes=MOST_SIGNATURE_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        where = folder.path / name
        raise DamagedVersionError(f"{where}: cannot be read: {error.strerror or error}") from error


def choose(folder: Folder | None, state: State, *, notes: tuple[str, ...] = ()) -> Chosen:
    """Return the model to run: the active one, else the previous, else the built-in one.

    Never a candidate: a start with it must be counted before.

    Args:
        folder: None if there is none.
        state: What it says.
        notes: What there is to say already.

    Raises:
        BundleError: Not even the built-in model can be used.
    """
    told = list(notes)
    for name in (state.active, state.previous):
        if name is None or name == BUILT_IN or folder is None:
            break
        try:
            twins = open_version(folder, name)
            return Chosen(name, twins.bundle, twins.compiled, notes=tuple(told))
        except (BundleError, DamagedVersionError) as error:
            told.append(f"the model {name[:12]} is passed over: {error}")
    path = default_model()
    return Chosen(BUILT_IN, Bundle.open(path), notes=tuple(told))


def open_version(folder: Folder, digest: str) -> Twins:
    """Return a version's model and its compiled twin, checked but not run.

    Raises:
        BundleError: They cannot be used.
        DamagedVersionError: They are not what was installed.
    """
    return opened(folder.path, digest, read_files(folder, digest))


def opened(root: Path, digest: str, files: Files) -> Twins:
    """Return what is in a version's files.

    Raises:
        BundleError: They cannot be used.
    """
    bundle = Bundle.from_bytes(files.model, where=str(root / model_path(digest)))
    if files.compiled is None:
        return Twins(bundle)
    where = str(root / compiled_path(digest))
    return Twins(bundle, compiled_twin(bundle, files.compiled, where=where))


def _read_files_once(folder: Folder, digest: str) -> Files:
    model = _read_whole(folder, model_path(digest))
    files = Files(model)
    if files.digest == digest:
        return files
    where = folder.path / model_path(digest)
    if COMPILED in folder.names(f"{VERSIONS}/{digest}"):
        files = Files(model, _read_whole(folder, compiled_path(digest)))
        where = where.parent
    if files.digest != digest:
        raise DamagedVersionError(f"{where}: changed or damaged on the disk")
    return files


def _read_whole(folder: Folder, name: str) -> bytes:
    try:
        return folder.read(name, most_bytes=MAX_MODEL_BYTES)
    except OSError as error:
        kind = DamagedVersionError if error.errno in _DAMAGE else UnreadableVersionError
        raise kind(f"{folder.path / name}: cannot be read: {error.strerror or error}") from error
