# Everything a fresh machine needs: python3 (3.10 to 3.13), make, gcc. Each target sets up its own .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint bench lock clean help

help:
	@echo "make demo   simulate a patient, assess the response (demo/report.html); another whose tumor recurred, divide"
	@echo "            the tumor and measure its texture (demo/subregions/report.html)"
	@echo "make test   run the whole headless test suite"
	@echo "make lint   style, and the direction of imports between layers"
	@echo "make bench  speed and accuracy against named peers (minutes)"
	@echo "make lock   resolve the locked versions again (needs uv)"

demo: $(VENV)/.ready
	$(BIN)/python -m NPCResponseLib phantom demo/input --force
	$(BIN)/python -m NPCResponseLib assess demo/input --output demo --force
	$(BIN)/python -m NPCRadiomicsRiskLib phantom demo/recurrence --force
	$(BIN)/python -m NPCRadiomicsRiskLib subregions --pre demo/recurrence/REC001_pre.nii.gz \
		--gtv demo/recurrence/REC001_gtv.nii.gz --recurrence demo/recurrence/REC001_recurrence.nii.gz \
		--gtvr demo/recurrence/REC001_gtvr.nii.gz --dose demo/recurrence/REC001_dose.nii.gz --prescription-gy 70 \
		--map --output demo/subregions --force

# Files in parallel on all cores: their fixtures (a simulated patient, a scene) are made once per file.
test: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

bench: $(VENV)/.ready-bench
	$(BIN)/python -m Testing.bench

# The stamp depends on the lock, so a second run installs nothing and a changed lock installs what changed.
$(VENV)/.ready: requirements.lock pyproject.toml Testing/make_environment.py
	$(PYTHON) Testing/make_environment.py $(VENV) requirements.lock

$(VENV)/.ready-bench: $(VENV)/.ready requirements-bench.lock
	$(PYTHON) Testing/make_environment.py $(VENV) requirements-bench.lock --stamp .ready-bench

lock:
	uv pip compile pyproject.toml --extra test --universal --python-version 3.10 --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra bench --universal --python-version 3.10 --no-header -c requirements.lock -o requirements-bench.lock

clean:
	rm -rf $(VENV) demo build *.egg-info
