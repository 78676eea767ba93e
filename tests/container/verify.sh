#!/usr/bin/env bash
# Builds the image and runs its root file system as an orchestrator would: as its own user, on a read-only root, as
# process 1. Needs root, buildah, unshare, nsenter, python3.
#
#   tests/container/verify.sh BASE_IMAGE
#
# BUILD_ARGS holds further arguments of `buildah build`, separated by blanks.
set -euo pipefail

base=${1:?the base image, e.g. python:3.11-slim-bookworm}
read -ra build_args <<<"${BUILD_ARGS:-}"
image=localhost/rootquorum:verify
repository=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp --directory)
container=""
running=""

clean_up() {
    if [[ -n $running ]]; then kill -KILL "$running" || true; fi
    if [[ -n $container ]]; then buildah rm "$container" >/dev/null; fi
    rm -rf "$work"
}
trap clean_up EXIT

ok() { echo "ok    $*"; }
fault() {
    echo "FAULT $*" >&2
    for log in "$work"/*.log; do
        echo "--- $(basename "$log")" >&2
        tail -n 20 "$log" >&2
    done
    exit 1
}
# check SENTENCE COMMAND…: the command succeeds.  refuse SENTENCE COMMAND…: it fails.
check() { if "${@:2}" >>"$work/checks.log" 2>&1; then ok "$1"; else fault "$1"; fi; }
refuse() { if "${@:2}" >>"$work/checks.log" 2>&1; then fault "$1"; else ok "$1"; fi; }

# ---- build. The docker format, because OCI's has no HEALTHCHECK.
buildah build --format docker --build-arg BASE="$base" "${build_args[@]}" --tag "$image" "$repository" \
    >"$work/build.log" 2>&1 || fault "the image builds"
ok "the image builds on $base"
container=$(buildah from "$image")
root=$(buildah mount "$container")

# ---- what the image says of itself
# configured FIELD: an entry of the image's configuration; `each FIELD`: a list, one element a line.
configured() { buildah inspect --type image --format "{{.Docker.Config.$1}}" "$image"; }
each() { buildah inspect --type image --format "{{range .Docker.Config.$1}}{{println .}}{{end}}" "$image" | sed '/^$/d'; }
user=$(configured User)
directory=$(configured WorkingDir)
mapfile -t environment < <(each Env)
mapfile -t command < <(each Entrypoint && each Cmd)
mapfile -t probe < <(each Healthcheck.Test | sed 1d)
entrypoint=("${command[@]:0:1}")
check "its user is a number, not root" grep --quiet --extended-regexp '^[1-9][0-9]*:[1-9][0-9]*$' <<<"$user"
check "entry point and command are in exec form: ${command[*]}" test "${command[*]}" = "rootquorum serve"

# ---- what is in it
cat >"$work/contents.py" <<'PYTHON'
"""argv: requirements.lock. Fails unless exactly its packages and rootquorum are installed, all of it compiled."""
import pathlib, re, sys
from importlib.metadata import distributions

from packaging.requirements import Requirement

lines = re.findall(r"^([a-z0-9-]+==[^\\\n]+)", pathlib.Path(sys.argv[1]).read_text(), re.MULTILINE)
meant = [needed for needed in map(Requirement, lines) if needed.marker is None or needed.marker.evaluate()]
locked = {needed.name: str(needed.specifier).removeprefix("==") for needed in meant}
there = {re.sub(r"[-_.]+", "-", d.name).lower(): d.version for d in distributions() if d.name}
assert there.pop("rootquorum")
print("differ:", locked.items() ^ there.items())
assert locked == there
library = pathlib.Path(sys.prefix, "lib")
sources = {path for path in library.rglob("*.py") if "__pycache__" not in path.parts}
tag = sys.implementation.cache_tag
assert sources
assert not [path for path in sources if not (path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc").exists()]
PYTHON
mkdir -p "$root/etc/rootquorum/check"
cp "$repository/requirements.lock" "$work/contents.py" "$root/etc/rootquorum/check"
check "it holds what requirements.lock says and nothing else, compiled" chroot "$root" \
    /opt/rootquorum/bin/python -I /etc/rootquorum/check/contents.py /etc/rootquorum/check/requirements.lock
rm -r "$root/etc/rootquorum/check"
refuse "it holds no compiler" chroot "$root" sh -c 'command -v gcc || command -v cc || command -v make'
refuse "it holds no leftovers of the build" chroot "$root" sh -c 'ls -d /build /root/.cache /tmp/* 2>/dev/null'

# ---- run it. Settings without AWS: nothing is contacted before someone asks for something.
cat >"$work/rootquorum.toml" <<'TOML'
[policy]
decision_requires_auth_time = false
[accounts.111122223333]
name = "prod"
profile = "prod-root"
[people]
ana = { name = "Ana", roles = ["requester"] }
bo = { name = "Bo", roles = ["approver"] }
cy = { name = "Cy", roles = ["approver"] }
TOML
mkdir "$work/data"
chown "$user" "$work/data"
touch "$root/etc/rootquorum/rootquorum.toml" # where a container runtime would make its mount point
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
environment+=("ROOTQUORUM_SERVER__PORT=$port")

cat >"$work/contain.sh" <<'SHELL'
set -euo pipefail
root=$1 work=$2 user=$3 directory=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$work/rootquorum.toml" "$root/etc/rootquorum/rootquorum.toml"
mount -o remount,bind,ro "$root/etc/rootquorum/rootquorum.toml"
mount --bind "$work/data" "$root/var/lib/rootquorum"
mount -o remount,bind,ro "$root"
exec env --ignore-environment "PATH=$PATH" chroot --userspec="$user" --groups= "$root" \
    /bin/sh -c 'cd "$1" && shift && exec env --ignore-environment "$@"' sh "$directory" "$@"
SHELL
# contained COMMAND…: in a new container of the image.
contained() {
    unshare --mount --pid --fork bash "$work/contain.sh" "$root" "$work" "$user" "$directory" "${environment[@]}" "$@"
}
# start COMMAND…: the same in the background; `running` is the process that is number 1 inside.
start() {
    unshare --mount --pid --fork bash "$work/contain.sh" \
        "$root" "$work" "$user" "$directory" "${environment[@]}" "$@" >>"$work/service.log" 2>&1 &
    outer=$!
    until running=$(cat "/proc/$outer/task/$outer/children") && [[ -n $running ]]; do sleep 0.1; done
    running=${running% }
}
# inside COMMAND…: in the running container, as its user.
inside() {
    nsenter --target "$running" --mount --pid --root --wd --setuid "${user%:*}" --setgid "${user#*:}" \
        env --ignore-environment "${environment[@]}" "$@"
}
answers() {
    python3 -c 'import sys
from urllib.request import ProxyHandler, build_opener
print(build_opener(ProxyHandler({})).open(sys.argv[1], timeout=2).read())' "http://127.0.0.1:$port/$1"
}
soon() { for _ in {1..150}; do if "$@" 2>/dev/null; then return; fi; sleep 0.2; done; return 1; }
# ends_with_sigterm: the service ends within ten seconds of SIGTERM, and not as one that was killed.
ends_with_sigterm() {
    local status=0
    kill -TERM "$running"
    for _ in {1..50}; do kill -0 "$running" 2>/dev/null || break; sleep 0.2; done
    if kill -0 "$running" 2>/dev/null; then return 1; fi
    running=""
    wait "$outer" || status=$?
    echo "exit status $status"
    [[ $status == 0 || $status == 143 ]]
}

unmigrated() { ! contained "${command[@]}" >"$work/unmigrated.log" 2>&1 && grep --quiet 'rootquorum migrate' "$work/unmigrated.log"; }
check "serve refuses a database that nobody migrated, and says so" unmigrated
refuse "the health check fails where nothing runs" contained "${probe[@]}"
start "${command[@]}" --migrate
check "serve --migrate answers /readyz" soon answers readyz
check "the health check passes" inside "${probe[@]}"
check "the process is number 1 and runs as $user" inside sh -c \
    "grep -q '^Uid:.${user%:*}.${user%:*}.${user%:*}' /proc/1/status && grep -q rootquorum /proc/1/cmdline"
refuse "it cannot write outside the volume, even where modes would let it" inside sh -c 'echo x >/tmp/x || echo x >/var/tmp/x'
check "root could not either" nsenter --target "$running" --mount --root sh -c '! touch /etc/x'
check "it can write to the volume" inside sh -c 'echo x >/var/lib/rootquorum/x && rm /var/lib/rootquorum/x'
check "the database is in the volume" test -s "$work/data/rootquorum.db"
check "an operator makes a token inside" inside "${entrypoint[@]}" token create bo
check "SIGTERM ends it" ends_with_sigterm
check "migrate may run again" contained "${entrypoint[@]}" migrate
start "${command[@]}"
check "serve finds what was migrated" soon answers readyz
check "SIGTERM ends it again" ends_with_sigterm
check "nothing but the database was written" test -z "$(find "$work/data" -type f ! -name 'rootquorum.db*')"
