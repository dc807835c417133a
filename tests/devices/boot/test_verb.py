"""`edge-recog flash MODEL --image FILE`: an image of a card, by the verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.boot import open_card
from edge_recog_devices.wheels import Manifest, Target, WheelFile
from edge_recog_devices.wheels.archives import sha256_of

from edge_recog.models import default_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@pytest.fixture(scope="module")
def collected(wheels: tuple[Path, ...]) -> Path:
    """Return the folder of the wheels, as if they had been collected for a Raspberry Pi 5."""
    files = tuple(
        WheelFile(
            file=path.name,
            distribution=path.name.partition("-")[0].replace("_", "-"),
            version="0.1.0",
            size=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for path in wheels
    )
    manifest = Manifest(
        created="2026-01-01T00:00:00Z",
        target=Target(architecture="aarch64", python=(3, 13), glibc=(2, 41)),
        project="edge-recog[daemon]",
        version="0.1.0",
        project_from="here",
        files=files,
    )
    folder = wheels[0].parent
    (folder / "manifest.json").write_bytes(manifest.encode())
    return folder


@pytest.fixture
def prepare(edge_recog: Callable[..., Any], collected: Path) -> Callable[..., Any]:
    def run(image: Path, *more: str) -> Any:
        words = ["--profile", "raspberry-pi-5", "--hostname", "kitchen", "--wheels", collected]
        return edge_recog("flash", default_model(), "--image", image, *words, *more)

    return run


def test_an_image_is_prepared_once(
    prepare: Callable[..., Any],
    make_image: Callable[..., Path],
    system_files: Mapping[str, Mapping[str, bytes]],
    files_of: Callable[..., dict[str, bytes]],
    tmp_path: Path,
) -> None:
    image = make_image(tmp_path / "raspios.img", system_files["trixie"])
    untouched = image.read_bytes()
    assert prepare(image, "--dry-run").code == 0
    assert image.read_bytes() == untouched

    outcome = prepare(image)

    assert (outcome.code, outcome.err) == (0, "")
    with open_card(image=image) as card:
        files = files_of(card)
    model = default_model()
    assert files[f"edge-recog/models/{model.name}"] == model.read_bytes()
    assert b'"hostname": "kitchen"' in files["user-data"]
    prepared = image.read_bytes()
    assert len(prepared) == len(untouched)
    assert prepare(image).code == 0
    assert image.read_bytes() == prepared


def test_what_is_no_image_of_a_card_stays_as_it_is(
    prepare: Callable[..., Any], tmp_path: Path
) -> None:
    image = tmp_path / "photos.img"
    image.write_bytes(bytes(1 << 20))

    outcome = prepare(image)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"edge-recog: {image}: ")
    assert outcome.err.count("\n") == 1
    assert image.read_bytes() == bytes(1 << 20)
