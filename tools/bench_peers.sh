#!/bin/bash
# Measures the classifier beside other programs, each in an environment of its own (2.5 GB, made once
# below .venv/environments). Ratios go to benchmarks/results/peers.json.
# SECONDS_EACH: measured for each program and model.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
models=(runs/demo/efficientnet-lite0-{float,int8}.tflite)
for model in "${models[@]}"; do
    [[ -e $model ]] || .venv/bin/edge-recog demo
done
photographs=$(.venv/bin/python -c \
    'import importlib.util as u; print(u.find_spec("skimage").submodule_search_locations[0] + "/data")')
pictures=()
for name in chelsea.png coffee.png rocket.jpg; do
    pictures+=(--picture "$photographs/$name")
done
exec .venv/bin/python -m edge_recog_benchmarks.peers "${models[@]}" "${pictures[@]}" \
    --seconds "${SECONDS_EACH:-10}" --out benchmarks/results/peers.json
