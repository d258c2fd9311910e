PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HOLIDAY := .landmark/holiday

export DO_NOT_TRACK := 1

.PHONY: setup demo test check bench audit clean
.DELETE_ON_ERROR:

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; say which: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch torchvision
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/landmark retrain configs/demo.yaml
	test -d $(HOLIDAY) || $(BIN)/landmark world $(HOLIDAY) --holiday 240 --size 480
	$(BIN)/landmark tag $(HOLIDAY) --model .landmark/runs/demo/recognizer --out $(HOLIDAY)-tags --xmp
	@echo "Look at .landmark/runs/demo/report.html and at $(HOLIDAY)-tags/gallery/index.html;"
	@echo "$(BIN)/landmark review $(HOLIDAY)-tags lets you confirm, correct and reject."

test: setup
	infra/tools.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: setup
	$(BIN)/python infra/audit.py

bench: setup
	$(BIN)/landmark bench throughput

clean:
	rm -rf $(VENV) .landmark .mypy_cache .ruff_cache .pytest_cache
