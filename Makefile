# `make demo` and `make test` do all the set-up on a bare machine: Python 3.10 to 3.12, make and g++.
# VENV=DIR uses an environment that exists and installs nothing into it; STACK=NAME another set of OpenMMLab packages.

STACK ?= openmmlab
ifdef VENV
PYTHON_BIN := $(VENV)/bin/python
SETUP := check-venv
else
OWN_VENV := .venv$(if $(filter-out openmmlab,$(STACK)),-$(STACK))
PYTHON_BIN := $(OWN_VENV)/bin/python
SETUP := setup
test: export MMDOWNSIZE_NATIVE = required
endif

# Threads that spin for long while they wait slow each other down many times over where processes share the cores, as tests
# do; those that do not spin at all take longer to wake than small layers to compute.
demo test nightly: export GOMP_SPINCOUNT = 20000
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

.PHONY: help setup check-venv demo test nightly lint docs benchmark clean

help:
	@echo 'make demo       train on a small synthetic set with three resizers, about 5 minutes: a table and a picture'
	@echo 'make test       lint, types and the whole test suite, which builds the documentation too'
	@echo 'make nightly    10,000 generated batches through the preprocessors, other ones every time'
	@echo 'make benchmark  time and memory of every resizer, pipelines, annotations, and where to resize; on a quiet machine'
	@echo 'make docs       the documentation as HTML, in docs/_build/html'
	@echo 'VENV=DIR        with any of these: use the environment in DIR as it is'
	@echo 'STACK=onedl     with any of these: the maintained forks of OpenMMLab, in .venv-onedl'
	@echo 'STACK=det|seg   with make test: without mmsegmentation, or without mmdet, in .venv-det or .venv-seg'

setup:
	@bash requirements/setup_venv.sh $(OWN_VENV) $(STACK)

check-venv:
	@"$(PYTHON_BIN)" tools/check_env.py --stack $(STACK)

demo: $(SETUP)
	@"$(PYTHON_BIN)" tools/demo.py

lint: $(SETUP)
	"$(PYTHON_BIN)" -m ruff check .
	"$(PYTHON_BIN)" -m ruff format --check .
	"$(PYTHON_BIN)" -m mypy

# Two processes, a file of tests in one of them: half the time on two cores.
test: lint
	"$(PYTHON_BIN)" -m pytest -n 2 --dist loadfile

nightly: $(SETUP)
	HYPOTHESIS_PROFILE=nightly "$(PYTHON_BIN)" -m pytest tests/bad_input/test_fuzz.py --hypothesis-show-statistics

benchmark: $(SETUP)
	@"$(PYTHON_BIN)" benchmarks/bm_resizers.py
	@"$(PYTHON_BIN)" benchmarks/bm_resizers.py --sweep
	@"$(PYTHON_BIN)" benchmarks/bm_pipelines.py
	@"$(PYTHON_BIN)" benchmarks/bm_adapter.py
	@"$(PYTHON_BIN)" benchmarks/bm_loading.py

docs: $(SETUP)
	"$(PYTHON_BIN)" -m sphinx -W -b html docs docs/_build/html

clean:
	rm -rf .venv .venv-onedl .venv-det .venv-seg work_dirs docs/_build
