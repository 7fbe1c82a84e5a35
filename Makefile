# `make demo` and `make test` set everything up. The machine needs Python 3.10 to 3.12, make and g++.
# VENV=DIR uses an existing environment and installs nothing into it. STACK=NAME uses other OpenMMLab packages.

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

# How long an OpenMP thread spins while it waits. With the default, the processes of the tests slow each other down many times
# over. Without any spinning, waking a thread takes longer than computing a small layer.
demo test nightly: export GOMP_SPINCOUNT = 20000
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

.PHONY: help setup check-venv demo test nightly lint docs benchmark clean

help:
	@echo 'make demo       train three resizers on a small synthetic data set: a table and a picture in about 6 minutes'
	@echo 'make test       lint, types and all tests; the documentation is built as well'
	@echo 'make nightly    10,000 random batches, different ones every time; three models of the zoos from swap to export'
	@echo 'make benchmark  time and memory of resizers, pipelines, preprocessors and loading; needs a quiet machine'
	@echo 'make docs       the documentation as HTML, in docs/_build/html'
	@echo 'VENV=DIR        with any of these: use the environment in DIR and install nothing'
	@echo 'STACK=onedl     with any of these: the maintained forks of OpenMMLab, in .venv-onedl'
	@echo 'STACK=det|seg   with make test: without mmsegmentation, or without mmdet, in .venv-det or .venv-seg'

setup:
	@bash requirements/setup_venv.sh $(OWN_VENV) $(STACK)

# What VENV has to be good for. A target's own value also holds for what it depends on.
PURPOSE := develop
demo: PURPOSE := demo

check-venv:
	@"$(PYTHON_BIN)" tools/check_env.py --for $(PURPOSE) --stack $(STACK)

demo: $(SETUP)
	@"$(PYTHON_BIN)" tools/demo.py

lint: $(SETUP)
	"$(PYTHON_BIN)" -m ruff check .
	"$(PYTHON_BIN)" -m ruff format --check .
	"$(PYTHON_BIN)" -m mypy

# Two processes, which take half the time on two cores. All tests of a file run in one process.
test: lint
	"$(PYTHON_BIN)" -m pytest -n 2 --dist loadfile

nightly: $(SETUP)
	HYPOTHESIS_PROFILE=nightly "$(PYTHON_BIN)" -m pytest tests/bad_input/test_fuzz.py --hypothesis-show-statistics
	MMDOWNSIZE_NIGHTLY=1 "$(PYTHON_BIN)" -m pytest tests/integration/test_three_models.py tests/docs/test_tutorial.py

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
