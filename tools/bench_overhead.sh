#!/bin/bash
# Measures the classifier beside MediaPipe, in an environment of its own: MediaPipe brings another
# OpenCV than ours. Results go to benchmarks/results/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
model=runs/demo/efficientnet-lite0-int8.tflite
[[ -e $model ]] || .venv/bin/edge-recog demo
environment=.venv/environments/bench-overhead
[[ -x $environment/bin/python ]] || tools/uv.sh venv --quiet --python .venv/bin/python "$environment"
tools/uv.sh pip install --quiet --python "$environment/bin/python" 'mediapipe>=1.2,<2' \
    ai-edge-litert flatbuffers msgspec numpy
photograph=$(.venv/bin/python -c \
    'import importlib.util as u; print(u.find_spec("skimage").submodule_search_locations[0] + "/data/chelsea.png")')
export PYTHONPATH=.:benchmarks
"$environment/bin/python" -m edge_recog_benchmarks.overhead "$model" --picture "$photograph" \
    --rounds "${ROUNDS:-1000}" --out benchmarks/results/overhead.json
