# Each target is a line that a person could type. `make demo` and `make test` need Python 3.11 or newer and make.
PYTHON ?= python3
UV_VERSION = 0.13.9
BIN = .venv/bin
# Tests wait for processes and browsers for a third of their time: three workers for two cores. They take the modules in
# the order of the folders, whose last ones are short. By their number of tests, which is the default, long ones came last.
WORKERS = $(shell expr $$(nproc) \* 3 / 2 || echo auto)

.PHONY: demo test test-fast browser pgbouncer nginx caddy haproxy systemd kubernetes prometheus rsyslog jq keyring tmux age roundup node clients go openssl openssh conformance evidence test-browser pictures screens docs check serve format openapi diagram lookup readability lock bench kill-matrix test-upgrades test-faults fuzz image image-check install-check release-data dist dist-check clean

demo: .venv/ready
	$(BIN)/rootquorum demo $(if $(KEEP),--keep) $(if $(PORT),--port $(PORT))

test: .venv/ready
	$(MAKE) --jobs $(PACKAGES) & packages=$$!; $(MAKE) $(SYSTEM); system=$$?; wait $$packages && exit $$system
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

# What tests need beside the environment. apt-get does one thing at a time. The others only wait for the network, npm for
# minutes: so all of them wait at once.
SYSTEM = browser pgbouncer nginx caddy haproxy systemd prometheus rsyslog jq keyring tmux age openssl openssh
PACKAGES = kubernetes roundup node clients go

# For the inner loop, in less than a minute: the rules, the workflow, the API with its contract, the settings and the
# verifier, all of it in the tests' own process and on SQLite. It leaves out PostgreSQL, browsers, products of others,
# commands, fuzzing, and the modules that take longest.
FAST = domain workflow api contract verifier signing outbound test_docs.py test_patterns.py test_settings.py
LONGEST = workflow/test_lifetime workflow/test_member_operations workflow/test_verify workflow/test_memory \
	workflow/test_stuck workflow/test_canary workflow/test_races workflow/test_rollback workflow/test_failures \
	workflow/test_wire workflow/test_today workflow/test_deliver workflow/test_drift workflow/test_recorded \
	domain/test_second_implementation signing/test_second_implementation signing/test_timestamps signing/test_openssh \
	contract/test_schemathesis api/test_awaiting api/test_actions api/test_browser_sign_in api/test_hooks api/test_head \
	api/test_execution

test-fast: .venv/ready
	$(BIN)/pytest -n auto -k "not postgresql" $(addprefix tests/,$(FAST)) $(patsubst %,--ignore tests/%.py,$(LONGEST)) $(ARGS)

# A Chromium for tests/browser, if the machine has none.
browser: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m browser.chromium

# A PgBouncer for tests/pooled, if the machine has none.
pgbouncer: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.pgbouncer

# Proxies for tests/deploy, if the machine has none. Caddy and HAProxy are unpacked into .venv.
nginx: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.proxies nginx

caddy: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.proxies caddy

haproxy: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.proxies haproxy

# systemd-analyze, which checks the units for tests/deploy, if the machine has none.
systemd: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.debian systemd-analyze=systemd

# The published schemas of Kubernetes for tests/deploy, in an environment of their own.
kubernetes: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.kubernetes

# Prometheus and promtool for tests/metrics, unpacked into .venv if the machine has none.
prometheus: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.prometheus

# A syslog server for tests/notify, unpacked into .venv if the machine has none.
rsyslog: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.rsyslog

# curl and jq for the first approval, if the machine has none.
jq: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.debian curl jq

# age, which opens what the service sealed.
age: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.debian age

# A keyring and a terminal for tests/cli, if the machine has none.
keyring: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.debian dbus-daemon dbus-send=dbus-bin gnome-keyring-daemon=gnome-keyring

tmux: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.debian tmux

# An issue tracker for tests/notify, in an environment of its own.
roundup: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.roundup

# Prism and published API documents for tests/notify, on the Node.js of a wheel.
node: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.nodejs

# Generators of clients in TypeScript and in Python, for tests/clients, each in an environment of its own.
clients: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m clients.generators

# Go's own Merkle tree and signed notes, for the tests to hold ours against; built with the Go of a wheel.
go: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.golang

# The time-stamp authority of tests/notify, if the machine has none.
openssl:
	command -v openssl > /dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends openssl; }

# ssh-keygen for tests/signing, if the machine has none.
openssh: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.products.openssh

# The vectors for other verifiers, except those that were recorded.
conformance: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m support.vectors.write

# What is made of the desk's modules: what browsers get of them, and the page that checks evidence without a network.
evidence: .venv/ready node
	$(BIN)/python tools/served_files.py
	$(BIN)/python tools/evidence_page.py > service/desk/evidence.html

test-browser: .venv/ready browser openssh node
	$(BIN)/pytest tests/browser $(ARGS)

# The pictures in docs/desk.md: what the test of the views sees.
pictures: .venv/ready browser node
	PICTURES=docs/images $(BIN)/pytest -q tests/browser -k "test_axe or to_the_receipt or saved_as_it_came"

# docs/screens.md: what the test of the screens sees at 80 columns.
screens: .venv/ready tmux openssh
	SCREENS=write $(BIN)/pytest -q tests/cli/test_screens.py -k "80"

# The documents as a site, in site/html. A dead link ends it.
docs: .venv/ready
	$(BIN)/python tools/documents.py

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rootquorum openapi | diff -u openapi/openapi.json - || { echo "openapi/openapi.json is stale: make openapi"; exit 1; }
	$(BIN)/python docs/diagram.py | diff -u docs/life-of-a-request.md - || { echo "the diagram is stale: make diagram"; exit 1; }
	$(BIN)/python docs/events.py | diff -u docs/events.md - || { echo "the list of events is stale: make diagram"; exit 1; }
	$(BIN)/python tools/lookup.py --check
	$(BIN)/python tools/evidence_page.py | cmp - service/desk/evidence.html || { echo "evidence.html is stale: make evidence"; exit 1; }

serve: .venv/ready
	$(BIN)/rootquorum serve --migrate

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: .venv/ready
	$(BIN)/rootquorum openapi > openapi/openapi.json

diagram: .venv/ready
	$(BIN)/python docs/diagram.py > docs/life-of-a-request.md
	$(BIN)/python docs/events.py > docs/events.md

# The tables of settings, commands, problems, warnings and states, in the pages that have their prose.
lookup: .venv/ready
	$(BIN)/python tools/lookup.py

# How long sentences are, how many are passive, and how many words are not plain. PAGES=1 adds a row for each page.
readability: .venv/ready node
	PYTHONPATH=tests $(BIN)/python tools/readability.py $(if $(PAGES),--pages)

# One table: what calls and lifecycles cost against a floor and against a peer, and how costs grow. JSON=FILE records it.
# Then one of the start, the memory and the idle time of the service.
# QUICK=1 takes about ten minutes on two cores. Without it: also what an organization of 500 accounts costs, lists over a hundred
# times as many requests, the check of a log of a million events, and how long others wait while somebody holds the
# service up.
bench: .venv/ready
	PYTHONPATH=tests $(BIN)/python bench/run.py --json $(or $(JSON),test-output/bench.json)
	PYTHONPATH=tests $(BIN)/python bench/startup.py
ifndef QUICK
	$(BIN)/python bench/organization.py 500 16
	PYTHONPATH=tests $(BIN)/python bench/reads.py
	PYTHONPATH=tests $(BIN)/python bench/audit.py 1000 100000 1000000
	PYTHONPATH=tests $(BIN)/python bench/waiting.py
endif

# The service killed at every call to AWS, on both databases; `make test` has a seed of it.
kill-matrix: .venv/ready
	KILL_MATRIX=full $(BIN)/pytest -n auto tests/kill

# The previous code beside the new one on the schema of each migration, of which `make test` tries the newest two; and a
# fleet that is upgraded under load.
test-upgrades: .venv/ready haproxy
	UPGRADES=full $(BIN)/pytest tests/fleet/test_versions.py tests/fleet/test_rolling.py $(ARGS)

# A fleet under random faults, for a quarter of an hour or more; `make test` has half a minute of it.
test-faults: .venv/ready
	FAULTS=long $(BIN)/pytest -s tests/faults $(ARGS)

# Thousands of mangled answers, tokens and messages, and each operation's inputs by everybody; `make test` has some of each.
fuzz: .venv/ready
	FUZZ=long $(BIN)/pytest -n auto tests/fuzz tests/api/test_awaiting.py tests/contract/test_schemathesis.py $(ARGS)

# The environment, from the lock with its hashes; made anew when the lock changes. What the service loads is compiled at
# once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every start would compile it anew, for two seconds.
.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv==$(UV_VERSION)
	$(BIN)/python tools/uv_as_pip.py pip sync --quiet --python $(BIN)/python requirements-dev.lock
	$(BIN)/python tools/uv_as_pip.py pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c "import service.cli.serve, service.cli.demo, service.simulated_aws, alembic.command"
	touch $@

# requirements.lock is what the service runs on, in the image too; the other adds the extras and the tests to just that.
lock: .venv/ready
	$(BIN)/uv pip compile pyproject.toml --quiet --no-header --universal --python-version 3.11 --generate-hashes -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --quiet --no-header --extra demo --extra keyring --extra mcp --extra tracing --group dev -c requirements.lock --universal --python-version 3.11 --generate-hashes -o requirements-dev.lock

# In Docker's format: OCI's own has no place for the health check.
image:
	buildah build --format docker --build-arg REVISION=$$(git rev-parse HEAD) --tag rootquorum .

# As root, with buildah. BASE=… where no registry can be reached, BUILD_ARGS=… for more arguments of the build.
image-check:
	tests/container/verify.sh $(or $(BASE),python:3.11-slim-bookworm)

# As root: `make demo` of a fresh clone in a network whose only way out is a proxy that inspects TLS. Minutes.
install-check: .venv/ready
	$(BIN)/pip download --quiet --no-deps --require-hashes -r requirements-dev.lock -d .venv/wheels
	$(BIN)/pip download --quiet --no-deps uv==$(UV_VERSION) -d .venv/wheels
	tests/install/verify.sh .venv/wheels

# A history of everything on the present schema, made by the code of this time, with which later versions try their
# migrations. Once for each schema that is released: a minute.
release-data: .venv/ready
	PYTHONPATH=tests $(BIN)/python -m upgrades.released

# What a release consists of, in dist/. The same commit makes the same bytes.
dist: .venv/ready
	$(BIN)/python tools/release.py

# The wheel in empty environments, with each supported Python that the machine has: PYTHONS="…" names others. Minutes.
dist-check: .venv/ready openssh
	PYTHONS="$(or $(PYTHONS),python3.11 python3.12 python3.13)" $(BIN)/pytest -q tests/install $(ARGS)

clean:
	rm -rf .venv dist site .cache test-output .pytest_cache .mypy_cache .ruff_cache
