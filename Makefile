# The two commands: `make run` and `make test`. Needs Python >= 3.11 and make.

PYTHON ?= python3
export PORT

.PHONY: run test bench fmt lint types help

help:
	@echo "make run    the desk on http://127.0.0.1:8000 (PORT=9000 for another port)"
	@echo "make test   the test suite on SQLite"
	@echo "make bench  the chat's cost beside its peers (six minutes, 800 MB at the first time)"
	@echo "make fmt lint types    format, check style, check types"

run: .venv/run var/secret_key
	@.venv/bin/python manage.py setup
	@exec .venv/bin/gunicorn -c deploy/gunicorn.conf.py

test: .venv/test var/secret_key
	@.venv/bin/pytest

bench: .venv/run
	@.venv/bin/python benchmarks/chat.py

fmt: .venv/test
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lint: .venv/test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .

types: .venv/test var/secret_key
	.venv/bin/mypy

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, %s is %d.%d: make PYTHON=python3.12 run" % (sys.executable, *sys.version_info[:2]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/run: requirements.txt | .venv/bin/pip
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/test: requirements.txt requirements-dev.txt | .venv/bin/pip
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/run

# Signs sessions and visitors' tokens. Readable by its owner alone; never in the repository.
var/secret_key:
	@mkdir -p var
	@umask 077 && $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(48))' > $@
