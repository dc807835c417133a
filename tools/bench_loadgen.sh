#!/bin/bash
# Sets our single-stream figure beside that of MLPerf's LoadGen, for the demo's INT8 model and the four
# files of MLPerf Tiny, which get a contract below runs/tiny first. Minutes; the ratios go to
# benchmarks/results/loadgen.json.
# MLPERF_TINY: the folder `benchmark/training` of github.com/mlcommons/tiny, or a part of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tiny=${MLPERF_TINY:-../shared/data/mlperf_tiny}
edge_recog=.venv/bin/edge-recog
models=(runs/demo/efficientnet-lite0-int8.tflite)
[[ -e ${models[0]} ]] || $edge_recog demo

mkdir -p runs/tiny
printf '%s\n' airplane automobile bird cat deer dog frog horse ship truck >runs/tiny/cifar10.txt
printf '%s\n' non_person person >runs/tiny/person.txt
adopt() { # NAME FILE LABELS STD: from pixels 0-255 to what the network learned from
    $edge_recog adopt "$tiny/$2" --labels "runs/tiny/$3.txt" --mean 0 --std "$4" --crop stretch \
        --interpolation area --force --out "runs/tiny/$1.tflite" >/dev/null
    models+=("runs/tiny/$1.tflite")
}
adopt resnet8-float image_classification/trained_models/pretrainedResnet.tflite cifar10 1
adopt resnet8-int8 image_classification/trained_models/pretrainedResnet_quant.tflite cifar10 1
adopt vww-float visual_wake_words/trained_models/vww_96_float.tflite person 255
adopt vww-int8 visual_wake_words/trained_models/vww_96_int8.tflite person 255

exec .venv/bin/python -m edge_recog_benchmarks.loadgen "${models[@]}" --out benchmarks/results/loadgen.json
