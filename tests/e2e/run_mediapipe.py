"""Classify pictures with MediaPipe, and print its answers as JSON: for MediaPipe's environment.

`run_mediapipe.py classify MODEL PICTURE...` prints for each picture, RGB pixels saved by NumPy, all
scores in the model's order; `run_mediapipe.py metadata MODEL` what MediaPipe reads of the model.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import numpy as np


def classify(model: str, pictures: list[str]) -> dict[str, Any]:
    """Return the labels in the model's order, and the scores of each picture."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=model), max_results=-1
    )
    answers = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for picture in pictures:
            pixels = np.ascontiguousarray(np.load(picture))
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            [head] = classifier.classify(image).classifications
            answers.append(sorted(head.categories, key=lambda category: category.index))
    return {
        "labels": [category.category_name for category in answers[0]],
        "scores": [[category.score for category in answer] for answer in answers],
    }


def metadata(model: str) -> dict[str, Any]:
    """Return the metadata and the files behind the model, as MediaPipe's own tool shows them."""
    # Its wheel lacks one native module, which only writers of metadata need.
    missing = "mediapipe.tasks.cc.metadata.python"
    parts = missing.split(".")
    for count in range(3, len(parts) + 1):
        name = ".".join(parts[:count])
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules[missing]._pywrap_metadata_version = None  # type: ignore[attr-defined]
    from mediapipe.tasks.python.metadata.metadata import MetadataDisplayer

    shown = MetadataDisplayer.with_model_file(model)
    return {
        "metadata": json.loads(shown.get_metadata_json()),
        "files": {
            name: shown.get_associated_file_buffer(name).decode("latin-1")
            for name in shown.get_packed_associated_file_list()
        },
    }


if __name__ == "__main__":
    action, path, *rest = sys.argv[1:]
    json.dump(classify(path, rest) if action == "classify" else metadata(path), sys.stdout)
