# From a bare clone: `make ask` answers a question about a photograph, `make test` runs every test.
# Needs Python 3.11 or newer, make and, for packages, an index that pip can reach.
#
#   make ask IMAGE=photo.jpg QUESTION="Is the mouth open?"
#   make ask TORCH_INDEX=https://download.pytorch.org/whl/cpu     torch without the CUDA libraries
#
# .venv and .cache hold everything that is made here; `make clean` removes the first.

PYTHON ?= python3
VENV ?= .venv
TORCH = torch==2.13.0
TORCH_INDEX ?=
IMAGE ?=
QUESTION ?= What expression does this face show?
PYTEST_FLAGS ?= -rs
FACELLM_DATA ?= ../shared/data
FACELLM_CACHE ?= .cache/default
WEIGHTS ?= facellm/weights
THREADS ?= 2

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
ASTRONAUT := .cache/astronaut.png
# Stages read these from the environment; QUESTION goes that way so that quotes in it do no harm.
export IMAGE QUESTION FACELLM_DATA FACELLM_CACHE

.DELETE_ON_ERROR:
.PHONY: help ask serve-cpu serve-gpu test test-all test-core check bench figures report teacher-landmarks train-default clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# --- installing: each stamp says what the environment holds ---------------------------------------

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "facellm needs Python 3.11 or newer; say PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) install -q -e .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.core
	$(PIP) install -q -e '.[build,train,deepspeed,eval,reasoner,clip,engine,quantize,serve,ray,test]'
# Its own dependencies would bring torchvision, which breaks transformers beside a CPU torch.
	$(PIP) install -q --no-deps open_clip_torch
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.test
	$(PIP) install -q -e '.[dev]'
	@touch $@

# --- using ----------------------------------------------------------------------------------------

ask: $(VENV)/.core $(if $(IMAGE),,$(ASTRONAUT))
	@$(VENV)/bin/facellm ask "$${IMAGE:-$(ASTRONAUT)}" "$$QUESTION"

$(ASTRONAUT): | $(VENV)/.core
	@mkdir -p $(@D)
	@$(PY) -c 'import sys, skimage; skimage.io.imsave(sys.argv[1], skimage.data.astronaut())' $@

# vLLM needs an environment of its own; after a break the same command goes on where it stopped.
serve-cpu: $(VENV)/.core
	$(PY) -m facellm.serve.setup_environment $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

serve-gpu: $(VENV)/.core
	$(PY) -m facellm.serve.setup_environment --gpu

# --- checking -------------------------------------------------------------------------------------

test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile -m 'not long' $(PYTEST_FLAGS)

test-all: $(VENV)/.test
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile $(PYTEST_FLAGS)

test-core: $(VENV)/.test
	OMP_NUM_THREADS=1 $(PY) -m pytest $(PYTEST_FLAGS) -m 'not slow and not long and not install' \
	    tests/facellm tests/test_layout.py

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(PY)

bench: $(VENV)/.test
	$(PY) -m facellm.eval.bench
	$(PY) -m facellm.serve.bench
	$(PY) -m facellm.train.bench
	test ! -d $(FACELLM_DATA) || $(PY) -m facellm.instruct_data.corpus.bench --data $(FACELLM_DATA)

figures: $(VENV)/.test
	$(PY) -m facellm.eval.figures --card MODEL_CARD.md --threads $(THREADS)

# The default on the sealed test split of every task whose data is here; only numbers are kept.
REPORT := .cache/report
REPORTED := ferplus,utkface_age,utkface_gender,face_mask,real_vs_stylegan2,identity_probes,diagnosis_probes,painted_text

report: $(VENV)/.test
	$(VENV)/bin/facellm eval run --final --tasks $(REPORTED) -o $(REPORT) \
	    $(if $(wildcard $(REPORT)/run.json),--resume)
	cp $(REPORT)/results.json eval/default_report.json

# --- training the shipped default -----------------------------------------------------------------
# One stage after the other. A finished stage leaves a stamp, an interrupted one goes on from its own
# checkpoint, so after any break the same command is given again. `make -n train-default` lists them.

STAGES := $(FACELLM_CACHE)/stages
LANDMARKS := $(FACELLM_CACHE)/landmarks/landmarks.safetensors
TEXT := $(FACELLM_CACHE)/text
MADE := $(FACELLM_CACHE)/made
RUNS := $(FACELLM_CACHE)/runs
BUILD := $(VENV)/bin/facellm build
TRAIN := OMP_NUM_THREADS=$(THREADS) $(VENV)/bin/facellm train
TEACHER := .venv-teacher
TEACHER_PACKAGES := mediapipe==0.10.21 "numpy<2" "pandas<3" "pyarrow<22" "scipy<1.16"
stamp = @mkdir -p $(STAGES) && touch $@

STAGE_NAMES := 01-prepare 02-rig 03-teacher-landmarks 04-landmarks 05-locate 06-forgeries \
    07-corpora 08-encoder 09-text 10-base 11-instruct 12-export 13-calibrate 14-engine

train-default: $(STAGES)/14-engine

$(addprefix $(STAGES)/,$(STAGE_NAMES)): | $(VENV)/.test

$(STAGES)/01-prepare:
	$(PY) -m facellm.instruct_data.prepare
	$(stamp)

$(STAGES)/02-rig: $(STAGES)/01-prepare
	$(PY) -m facellm.instruct_data.build_rig --data $(FACELLM_DATA) --out $(FACELLM_CACHE)/rig \
	    --n 10000
	$(stamp)

# The teacher pins numpy < 2, so it lives in an environment of its own, and only while it teaches.
teacher-landmarks: $(STAGES)/03-teacher-landmarks

$(STAGES)/03-teacher-landmarks: $(STAGES)/02-rig
	test -x $(TEACHER)/bin/python || $(PYTHON) -m venv $(TEACHER)
	$(TEACHER)/bin/python -m pip install -q $(TEACHER_PACKAGES)
	$(TEACHER)/bin/python instruct_data/teacher_landmarks.py --data $(FACELLM_DATA) \
	    --out $(FACELLM_CACHE)/teacher
	$(stamp)

$(STAGES)/04-landmarks: $(STAGES)/03-teacher-landmarks
	$(PY) -m facellm.train.landmarks --out $(FACELLM_CACHE)/landmarks --threads $(THREADS)
	$(PY) -m facellm.train.geometry --weights $(LANDMARKS)
	$(stamp)

$(STAGES)/05-locate: $(STAGES)/04-landmarks
	$(PY) -m facellm.train.locate --weights $(LANDMARKS) --threads $(THREADS)
	$(stamp)

$(STAGES)/06-forgeries: $(STAGES)/05-locate
	$(PY) -m facellm.instruct_data.forgeries
	$(stamp)

# Two corpora: real faces by reference, and renders and forgeries with their pictures inside.
$(STAGES)/07-corpora: $(STAGES)/06-forgeries
	$(BUILD) local --data $(FACELLM_DATA) -o $(FACELLM_CACHE)/corpus --workers $(THREADS) --resume
	$(BUILD) synth --rig $(FACELLM_DATA)/ict_facekit -o $(MADE)/synth --n 4000
	$(BUILD) forge $(FACELLM_CACHE)/utkface -o $(MADE)/forged --n 4000
	$(BUILD) made --data $(MADE) -o $(FACELLM_CACHE)/corpus_made --workers $(THREADS) --resume
	$(stamp)

$(STAGES)/08-encoder: $(STAGES)/07-corpora
	$(TRAIN) default-encoder -o $(FACELLM_CACHE)/encoder --resume \
	    --set corpus=$(FACELLM_CACHE)/corpus
	$(stamp)

$(STAGES)/09-text: $(STAGES)/08-encoder
	$(PY) -m facellm.instruct_data.tokenizer --out $(FACELLM_CACHE)/tokenizer
	test -f $(TEXT)/made/counts.json || $(BUILD) readings --made 36000 -o $(TEXT)/made
	$(TRAIN) default-text -o $(RUNS)/text --resume \
	    --set model.tokenizer=$(FACELLM_CACHE)/tokenizer --set data.corpora=[$(TEXT)/made]
	$(stamp)

CORPORA := $(FACELLM_CACHE)/corpus,$(FACELLM_CACHE)/corpus_made
ON_FACES := --set data.pictures=$(FACELLM_DATA) --set data.teacher=$(TEXT)/own.npz \
    --set data.features=$(FACELLM_CACHE)/features

$(STAGES)/10-base: $(STAGES)/09-text
	$(PY) -m facellm.train.own_readings --corpora $(FACELLM_CACHE)/corpus $(FACELLM_CACHE)/corpus_made \
	    --pictures $(FACELLM_DATA) --landmarks $(LANDMARKS) --encoder $(FACELLM_CACHE)/encoder \
	    --threads $(THREADS) --out $(TEXT)/own.npz
	test -f $(TEXT)/own/counts.json || $(BUILD) readings --corpus $(FACELLM_CACHE)/corpus \
	    --readings $(TEXT)/own.npz --n 12000 --seed 9 -o $(TEXT)/own
	$(TRAIN) default-base -o $(RUNS)/base --resume --set model.start=$(RUNS)/text/model \
	    --set model.encoder=$(FACELLM_CACHE)/encoder --set data.corpora=[$(TEXT)/own,$(CORPORA)] $(ON_FACES)
	$(stamp)

$(STAGES)/11-instruct: $(STAGES)/10-base
	test -f $(TEXT)/fresh/counts.json || $(BUILD) readings --corpus $(FACELLM_CACHE)/corpus \
	    --readings $(TEXT)/own.npz --n 6000 --seed 6 -o $(TEXT)/fresh
	$(TRAIN) default-instruct -o $(RUNS)/instruct --resume --set model.start=$(RUNS)/base/model \
	    --set data.corpora=[$(TEXT)/fresh,$(CORPORA)] $(ON_FACES)
	$(stamp)

$(STAGES)/12-export: $(STAGES)/11-instruct
	$(PY) -m facellm.train.export --run $(RUNS)/instruct --encoder $(FACELLM_CACHE)/encoder \
	    --landmarks $(LANDMARKS) --out $(WEIGHTS)
	$(stamp)

$(STAGES)/13-calibrate: $(STAGES)/12-export
	$(PY) -m facellm.eval.calibrate --model $(WEIGHTS) --threads $(THREADS)
	$(stamp)

# The thresholds were fitted on torch's readings; how little the quantised ones differ is measured.
$(STAGES)/14-engine: $(STAGES)/13-calibrate
	$(PY) -m facellm.train.engine --model $(WEIGHTS) --threads $(THREADS)
	$(PY) -m facellm.eval.engine --model $(WEIGHTS) --threads $(THREADS)
	$(stamp)

clean:
	rm -rf $(VENV) $(TEACHER) .venv-serve build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
