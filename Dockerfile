# Any base that has python3 (3.11 or newer) and its venv module; both stages stand on the same one.
# For a release give it with its digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm


FROM ${BASE} AS build
WORKDIR /build

# One environment builds, the other is shipped and has not even pip.
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/rootquorum

# What `make` develops and tests with, checked by hash. Wheels only: nothing is compiled, no setup.py is run.
COPY requirements.lock ./
RUN tools/bin/pip --python /opt/rootquorum/bin/python install \
    --no-cache-dir --no-compile --only-binary :all: --require-hashes --requirement requirements.lock

# The build backend comes out of the lock as well. Were it to need one package more, the hash check would say so.
COPY requirements-dev.lock ./
RUN awk '/^[a-z]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements-dev.lock > requirements-build.lock \
    && tools/bin/pip install \
        --no-cache-dir --only-binary :all: --require-hashes --requirement requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY service service
# The root file system is read-only later, so bytecode is made now; `unchecked-hash` holds whatever a registry or a
# reproducible build does to time stamps.
RUN tools/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir dist . \
    && tools/bin/pip --python /opt/rootquorum/bin/python install --no-cache-dir --no-compile --no-deps dist/*.whl \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/rootquorum/lib


FROM ${BASE}
ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rootquorum" \
      org.opencontainers.image.description="Two-person approval for the operations on AWS root user credentials" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The only place that the service ever writes to, and with PostgreSQL not even there. No VOLUME: a forgotten mount
# shall be an error (on a read-only root), not an anonymous volume that takes the audit log with it.
# /etc/rootquorum is where settings and AWS configuration are mounted.
RUN install --directory --owner=10001 --group=10001 /var/lib/rootquorum && install --directory /etc/rootquorum/aws
COPY --from=build /opt/rootquorum /opt/rootquorum

# The environment wins over the settings file: nothing here that an operator would set there, except where the
# service listens, which the container decides. LOGNAME: the uid has no passwd entry, and `rootquorum token` asks.
# HOME has nothing to read or write. TMPDIR: where SQLite may put a large sort.
ENV PATH=/opt/rootquorum/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/nonexistent \
    LOGNAME=rootquorum \
    TMPDIR=/var/lib/rootquorum \
    AWS_CONFIG_FILE=/etc/rootquorum/aws/config \
    AWS_SHARED_CREDENTIALS_FILE=/etc/rootquorum/aws/credentials \
    ROOTQUORUM_CONFIG=/etc/rootquorum/rootquorum.toml \
    ROOTQUORUM_SERVER__HOST=0.0.0.0 \
    ROOTQUORUM_SERVER__PORT=8080

# `sqlite:///rootquorum.db`, the default, is relative and so ends up in the volume.
WORKDIR /var/lib/rootquorum
# A number, so that an orchestrator can tell without the image's passwd that it is not root.
USER 10001:10001
EXPOSE 8080

# /livez, not /readyz: who acts on "unhealthy" restarts the container, and a restart mends no database, but kills an
# execution half-way. /readyz is for the load balancer. No proxy of the environment between us and ourselves;
# -I keeps the working directory, which is writable, off the import path.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/rootquorum/bin/python", "-I", "-c", "import os; from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:' + os.environ['ROOTQUORUM_SERVER__PORT'] + '/livez', timeout=4)"]

# Exec form: SIGTERM reaches the service itself.
ENTRYPOINT ["rootquorum"]
CMD ["serve"]
