# Each target makes .venv and installs what it needs by itself; a second call finds that done.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REAL_DATA := $(or $(TIMESENCLIP_REAL_DATA),../shared/data)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# Nothing here downloads weights or data: the default model is inside the package.
export HF_HUB_OFFLINE ?= 1
export HF_DATASETS_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false
# Small matrices: more threads than this only wait for each other.
export OMP_NUM_THREADS ?= 2
# Tests run in so many processes, of so many threads each: two of two threads wait for each other on two cores.
TEST_WORKERS ?= 2
TEST_THREADS ?= 1

.PHONY: help demo test test-browser check docs floors fuzz real evaluation bench pictures cards clean embedded distil \
	evidence-foundation evidence-data evidence-training evidence-evaluation evidence-senclip evidence-mapping evidence-hub \
	evidence-speed evidence-house evidence-safety evidence-sources evidence-examples evidence-default \
	evidence-newcomer evidence-parcels
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22
	@echo "Variables: PYTHON (3.11 or newer; now $(PYTHON)), OMP_NUM_THREADS (now $(OMP_NUM_THREADS)), PYTEST_ARGS," \
		"TEST_WORKERS (now $(TEST_WORKERS)), TEST_THREADS (now $(TEST_THREADS))"

demo: $(VENV)/.demo ## classify simulated Sentinel-2 pixels from words, leave demo.png
	$(BIN)/python -m timesenclip_hf.app --overwrite

test: $(VENV)/.dev ## run the offline tests
	OMP_NUM_THREADS=$(TEST_THREADS) $(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

test-browser: $(VENV)/.dev ## drive the Space in headless Chromium (Debian's, by apt where absent), screenshots in runs/browser
	@command -v chromium > /dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null || true; fi
	@command -v chromium > /dev/null || { echo "chromium is missing and could not be installed here: on Debian," \
		"run 'apt-get install chromium' as root." >&2; exit 1; }
	$(BIN)/python -m pytest -q -m browser tests/browser $(PYTEST_ARGS)

build/torchao: $(VENV)/.dev # apart from the rest: transformers would import it, a second, wherever it is installed
	$(PIP) --no-deps --target $@ torchao

docs: $(VENV)/.dev ## build the site of docs/, strictly, into build/docs, and serve it on this machine; PORT=8000
	$(BIN)/python -m hub.docs_site
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/docs/site $(or $(PORT),8000)

check: $(VENV)/.dev ## lint, format, types, import layers, the site's links and names
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py
	$(BIN)/python -m hub.docs_site

floors: $(VENV)/.dev ## run the tests of the base install with the lowest versions allowed; ARGS="--extra map --versions tested --python 3.13" for others
	$(BIN)/python -m training.environments $(or $(ARGS),--versions lowest)

fuzz: $(VENV)/.dev ## try damaged and hostile input on every reader for half an hour; FUZZ_ARGS="--seconds 60 --first 5000" for others
	$(BIN)/python -m tests.fuzz $(or $(FUZZ_ARGS),--seconds 1800)

real: $(VENV)/.dev ## zero-shot on the real pixels of ../shared/data (or TIMESENCLIP_REAL_DATA), report in runs/real
	$(BIN)/python -m training.measure --dataset real --output runs/real --overwrite

evaluation: $(VENV)/.dev ## everything on simulated and real pixels: report in runs/evaluation, figures in training/results
	$(BIN)/python -m training.measure --dataset simulated --dataset real --suite all --missing none --missing winter \
		--missing "growing season" --output runs/evaluation --record training/results/evaluation.json --overwrite

bench: $(VENV)/.dev ## ratios and fractions of the limit: encoder, features, composites, reads, training, maps; kept in runs/bench
	$(BIN)/python -m pytest -q -s -m "not gpu" training/benchmarks

evidence-foundation: $(VENV)/.dev ## measure every claim of the foundation again, one JSON line each
	$(BIN)/python -m training.evidence.foundation

evidence-data: $(VENV)/.dev ## measure every claim about imports and datasets again; PARTS="hub compositing" for some
	$(BIN)/python -m training.evidence.data $(PARTS)

evidence-training: $(VENV)/.dev ## measure every claim about training again, some 45 minutes; PARTS="objective resume" for some
	$(BIN)/python -m training.evidence.training $(PARTS)

embedded: $(VENV)/.dev ## train the checkpoint inside the package again, half an hour, and put it there
	$(BIN)/accelerate launch --config_file training/accelerate/cpu.yaml training/train.py \
		training/configs/embedded_default.yaml
	cp runs/embedded/model/* src/timesenclip_hf/checkpoints/timesenclip-simulated/

distil: $(VENV)/.dev ## train a student of the checkpoint inside the package, some ten minutes, into runs/distil_embedded
	$(BIN)/accelerate launch --config_file training/accelerate/cpu.yaml training/train.py \
		training/configs/distil_embedded.yaml

evidence-evaluation: $(VENV)/.dev ## measure every claim about evaluation again; PARTS="metrics speed" for some
	$(BIN)/python -m training.evidence.evaluation $(PARTS)

evidence-senclip: $(VENV)/.dev ## measure every claim about SenCLIP again, some 15 minutes; PARTS="parity learning" for some
	$(BIN)/python -m training.evidence.senclip $(PARTS)

evidence-mapping: $(VENV)/.dev ## measure every claim about maps again, some hours; PARTS="end_to_end kills" for some, tile on its own
	$(BIN)/python -m training.evidence.mapping $(PARTS)

evidence-hub: $(VENV)/.dev ## measure every claim about publishing and the Space again; PARTS="round_trip latency" for some
	$(BIN)/python -m training.evidence.hub $(PARTS)

evidence-house: $(VENV)/.dev ## measure every claim about how the code is built, half an hour; PARTS="shape results" for some
	$(BIN)/python -m training.evidence.house $(PARTS)

evidence-speed: $(VENV)/.dev ## measure every claim about speed again, some 30 minutes; PARTS="encoder student" for some
	$(BIN)/python -m training.evidence.speed $(PARTS)

evidence-safety: $(VENV)/.dev ## measure every claim about strangers' files, outputs and kills again, an hour; PARTS="elsewhere outputs" for some
	$(BIN)/python -m training.evidence.safety $(PARTS)

evidence-sources: $(VENV)/.dev ## measure every claim about the inputs that people have again, 20 minutes; PARTS="cases tables" for some
	$(BIN)/python -m training.evidence.sources $(PARTS)

evidence-examples: $(VENV)/.dev ## measure every claim about words fitted to examples again, an hour; PARTS="shots suggest" for some
	$(BIN)/python -m training.evidence.examples $(PARTS)

evidence-default: $(VENV)/.dev ## measure every claim about the checkpoint inside the package again, ten minutes; PARTS="home away" for some
	$(BIN)/python -m training.evidence.default $(PARTS)

evidence-newcomer: $(VENV)/.dev ## measure every claim about the first five minutes again; PARTS="starts calls" for some
	$(BIN)/python -m training.evidence.newcomer $(PARTS)

evidence-parcels: $(VENV)/.dev ## measure every claim about parcels, areas and change again; PARTS="fields olofsson" for some
	$(BIN)/python -m training.evidence.parcels $(PARTS)

pictures: $(VENV)/.dev ## draw the pictures of README and docs again (the map needs the real data, the page chromium)
	$(BIN)/python -m training.evidence.house_picture docs/house.png --overwrite
	$(BIN)/python -m timesenclip_hf.app docs/demo.png --overwrite
	$(BIN)/python -m tests.support.browser.screenshots docs --overwrite
	$(BIN)/python -m training.curves training/results/embedded_default.json --output docs --overwrite
	$(BIN)/timesenclip map "$(REAL_DATA)"/worldcereal_flanders_2018/raw_nc/S2_*.nc --year 2018 \
		--labels "maize,grassland,built-up" --output runs/flanders.tif --png docs/flanders.png --overwrite
	$(BIN)/python -m training.examples_pictures docs --overwrite
	$(BIN)/python -m training.parcel_pictures docs --overwrite
	$(BIN)/python -m training.areas_pictures docs --overwrite
	$(BIN)/python -m training.change_pictures docs --overwrite

cards: $(VENV)/.dev ## fill README and cards from the measured results
	$(BIN)/python -m hub.fill_cards

clean: ## remove .venv and every cache
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis demo.png
	find src tests training hub -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
		f"Python 3.11 or newer is needed, $(PYTHON) is {v[0]}.{v[1]}: call make with PYTHON=python3.11.")'
	@# A venv that fails half-way (Debian without python3-venv) must not look finished to the next call.
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) --editable '.[dev,data,train,eval,map,demo,export]'
	@touch $@ $(VENV)/.demo
