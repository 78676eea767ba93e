#!/usr/bin/env bash
# `make demo` in a fresh clone where the only way out is a proxy that inspects TLS, and pip alone was told of it.
# As root, in a network namespace of its own: nothing else is reached. `tests/install/verify.sh WHEELS`; WHEELS holds
# every file of requirements-dev.lock, and uv.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
wheels=$(realpath "$1")
if [ -z "${INSIDE:-}" ]; then
  exec env -i INSIDE=1 HOME=/nonexistent PATH="$PATH" unshare --net "$0" "$wheels"
fi
ip link set lo up 2> /dev/null || python3 - <<'PYTHON'
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))
PYTHON
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$work"' EXIT
git clone --quiet "$here" "$work/clone"
"$here/.venv/bin/python" "$here/tests/install/inspecting_proxy.py" "$wheels" "$work/ca.pem" 3128 &
until [ -s "$work/ca.pem" ]; do kill -0 $!; done

printf '[global]\nindex-url = https://index.example.com/simple\nproxy = http://127.0.0.1:3128\n' > "$work/pip.conf"
if PIP_CONFIG_FILE="$work/pip.conf" python3 -m venv "$work/none" \
  && PIP_CONFIG_FILE="$work/pip.conf" "$work/none/bin/pip" --quiet download uv --no-deps --retries 0 2> /dev/null; then
  echo "the proxy was trusted though nobody was told its authority" >&2
  exit 1
fi
echo "cert = $work/ca.pem" >> "$work/pip.conf"
cd "$work/clone"
PIP_CONFIG_FILE="$work/pip.conf" make demo > "$work/demo.log" 2>&1 || { tail -50 "$work/demo.log" >&2; exit 1; }
grep -q 'Done: everything above was checked' "$work/demo.log"
echo "make demo: done, through the proxy alone"
