# `make` lists the targets. Each sets up what it needs in .venv; nothing outside this folder changes.
PYTHON ?= python3
COUNT ?= 200000
PYTEST_ARGS ?=

READY := .venv/.ready
BIN := .venv/bin
# Percent of the runtime; only a full run is held to it, since a part cannot cover all of it.
LEAST_COVERAGE := 90

# Byte code is written at the first import. Compiling every package during set-up costs 20-40 s;
# importing TensorFlow without any costs 6 s more in each process.
unexport PYTHONDONTWRITEBYTECODE
# Tools must find .venv, not an environment that happens to be active.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.PHONY: help demo test check lint format fuzz faults soak bench-loadgen bench-peers picamera2 virtual-pi emulated clean

help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## from pictures to a verified model, and what to try next
	@$(BIN)/edge-recog demo

test: $(READY) ## all tests and the coverage gate; a part: make test PYTEST_ARGS="tests/edge_recog -k frames"
	@$(if $(PYTEST_ARGS),$(BIN)/pytest $(PYTEST_ARGS),tools/test.sh $(LEAST_COVERAGE))

lint: $(READY) ## format, style, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## both, before a change goes in

format: $(READY) ## rewrite the files in house style
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

# Models to break: those at hand, or `make fuzz MODELS=folder`.
MODELS ?= $(wildcard runs/demo ../shared/data)
fuzz: $(READY) ## open and inspect COUNT broken model files, in processes that may crash (minutes)
	$(BIN)/python tests/fuzz/run_fuzz.py --count $(COUNT) --models $(MODELS) --call edge_recog.inspection:inspect_file --as path

faults: $(READY) ## do 500 faults to live classifiers, for `benchmarks/results` (half an hour)
	@$(BIN)/python -m edge_recog_benchmarks.studies.faults --count 500 --out benchmarks/results/faults.json

soak: $(READY) ## a million frames through the whole live classifier (minutes)
	@$(BIN)/python -m edge_recog_benchmarks.studies.soak --viewer --out benchmarks/results/soak.json

bench-peers: $(READY) ## our classifier beside MediaPipe, OpenVINO, ONNX Runtime, ncnn (minutes, 2.5 GB)
	@tools/bench_peers.sh

bench-loadgen: $(READY) ## our single-stream figure beside MLPerf's LoadGen (minutes)
	@tools/bench_loadgen.sh

picamera2: $(READY) ## camera tests on picamera2 itself, in a Debian made for it (a minute, 0.7 GB)
	@tools/virtual_pi/make_camera.sh
	@$(BIN)/pytest tests/edge_recog/cameras/test_picamera2_real.py

virtual-pi: $(READY) ## the service on an emulated Raspberry Pi with systemd and a camera (minutes, 2 GB)
	@tools/virtual_pi/make_pi.sh
	@VIRTUAL_PI=1 $(BIN)/pytest tests/virtual_pi

# `make emulated SYSTEMS=trixie-aarch64` for one of them; an interrupted run goes on where it stopped.
SYSTEMS ?= trixie-aarch64 bookworm-aarch64 bookworm-armv7l
emulated: $(READY) ## the runtime's tests on emulated ARM, for README's table of systems (hours, 4 GB)
	@failed=0; for system in $(SYSTEMS); do \
		$(BIN)/python tools/emulated/run.py $$system || failed=1; \
	done; exit $$failed

clean: ## remove the environment, caches and build output (not runs/)
	rm -rf .venv .uv uv.lock dist build .coverage .coverage.* htmlcov
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml $(wildcard */pyproject.toml) tools/setup.sh tools/uv.sh
	@PYTHON="$(PYTHON)" tools/setup.sh
	@touch $@
