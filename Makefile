# Two commands: `make demo` and `make test`. Everything they need is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
TRAIN := $(VENV)/.ready-train
OUT ?= out/demo
WORLD ?= yard
ROOMS := saccade engines perception_node map_node vla_node safety_node bridge_node sim

.PHONY: demo test fuzz test-slow test-mutation test-train test-ros test-gpu lint kernels golden bench clean

# WORLD: yard, gates, hall, or table, whose arm needs what the extra [arm] has.
demo: $(if $(filter table,$(WORLD)),$(DEV),$(READY))
ifdef RECORDING
	$(BIN)/saccade replay "$(RECORDING)" --out "$(OUT)"
else
	$(BIN)/saccade demo "$(WORLD)" --out "$(OUT)"
endif

test: $(DEV)
	$(MAKE) --no-print-directory -j 2 lint kernels
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not ros and not gpu"

# Properties on examples drawn anew, ten times as many: for when there is time.
fuzz: $(DEV) kernels
	$(BIN)/pytest -n 2 --dist worksteal --hypothesis-profile=fuzz -m "not slow and not ros and not gpu"

test-slow: $(DEV)
	$(BIN)/pytest -n 2 -m "slow and not mutation and not ros and not gpu"

# Every comparison, sign and constant of the gate changed, one at a time, and noticed: about ten minutes.
test-mutation: $(DEV)
	$(BIN)/pytest -m mutation

# What needs torch: the network's definition against the shipped graphs, training, adaptation, export.
test-train: $(TRAIN)
	$(BIN)/pytest tests/training

# With ROS 2 sourced, and a Python of the minor version that its rclpy was built for: .venv's (make PYTHON=python3.12), or
# any other that has requirements.txt and requirements-dev.txt (make test-ros ROS_PYTHON=...).
ROS_PYTHON ?= $(BIN)/python
test-ros: $(DEV)
	@$(ROS_PYTHON) -c 'import rclpy' || \
	  { echo "No rclpy for $(ROS_PYTHON) ($$($(ROS_PYTHON) --version)): source ROS 2, and see the Makefile"; exit 1; }
	$(ROS_PYTHON) -m pytest -m ros

test-gpu: $(DEV)
	$(BIN)/pytest -m gpu

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Once and beside the linters, or each of the test processes would compile them all.
kernels: $(DEV)
	$(BIN)/python tests/compile_kernels.py

golden: $(DEV)
	$(BIN)/pytest tests/golden tests/ground/test_topics.py --update-golden

bench: $(DEV)
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) out build *.egg-info

$(READY): requirements.txt package.xml setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Saccade needs Python >= 3.10; found $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "No venv module. On Debian/Ubuntu: sudo apt install python3-venv"; rm -rf $(VENV); exit 1; }
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -r requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(DEV): $(READY) requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -r requirements-dev.txt
	@touch $@

$(TRAIN): $(DEV) requirements-train.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -r requirements-train.txt
	@$(BIN)/python -c 'import torch' || \
	  { echo "This torch cannot be imported; install a build for this machine into $(VENV) (see pytorch.org)"; exit 1; }
	@touch $@
