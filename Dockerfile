# Any base image with python3 (3.11 or newer) and its venv module. Both stages use it.
# For a release, give it with its digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm


FROM ${BASE} AS build
WORKDIR /build

# One environment builds. The other is shipped, without pip.
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/rootquorum

# The same packages that `make` tests with, checked by hash. Wheels only: this compiles nothing and runs no setup.py.
COPY requirements.lock ./
RUN tools/bin/pip --python /opt/rootquorum/bin/python install \
    --no-cache-dir --no-compile --only-binary :all: --require-hashes --requirement requirements.lock

# The build backend also comes from the lock. If it needs a package that is not named here, the hash check fails.
COPY requirements-dev.lock ./
RUN awk '/^[a-z]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements-dev.lock > requirements-build.lock \
    && tools/bin/pip install \
        --no-cache-dir --only-binary :all: --require-hashes --requirement requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY rootquorum_client rootquorum_client
COPY service service
# The root file system is read-only at run time, so compile bytecode now. `unchecked-hash` keeps it valid even if a
# registry or a reproducible build changes time stamps.
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

# The service writes only to /var/lib/rootquorum; with PostgreSQL, nowhere. No VOLUME: on a read-only root a forgotten
# mount must be an error, not an anonymous volume that is lost together with the audit log.
# Mount settings and AWS configuration at /etc/rootquorum.
RUN install --directory --owner=10001 --group=10001 /var/lib/rootquorum && install --directory /etc/rootquorum/aws
COPY --from=build /opt/rootquorum /opt/rootquorum

# The environment overrides the settings file, so this sets nothing that an operator sets there, except the address to
# listen on, which is the container's. LOGNAME: `rootquorum token` needs it, as the uid has no passwd entry.
# HOME: nothing is read or written there. TMPDIR: SQLite may put a large sort there.
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

# The default `sqlite:///rootquorum.db` is relative, so the file is in the volume.
WORKDIR /var/lib/rootquorum
# A number shows an orchestrator that this is not root, without the image's passwd.
USER 10001:10001
EXPOSE 8080

# /livez, not /readyz: an "unhealthy" container is restarted. A restart does not repair a database, but can interrupt an
# execution. /readyz is for the load balancer. The check ignores proxies from the environment.
# -I keeps the writable working directory off the import path.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/rootquorum/bin/python", "-I", "-c", "import os; from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:' + os.environ['ROOTQUORUM_SERVER__PORT'] + '/livez', timeout=4)"]

# Exec form, so that SIGTERM reaches the service itself.
ENTRYPOINT ["rootquorum"]
CMD ["serve"]
