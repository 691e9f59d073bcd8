#!/usr/bin/env bash
# One step of `make setup` or `make test`: setup.sh tools | uv | packages | project | pages | kafka | test-tools. Each may be repeated; run from the project's root.
set -euo pipefail

python=${PYTHON:-python3}

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 2; }

# need WHAT PACKAGES…: as root on Debian install the packages, otherwise say so and end.
need() {
  local what=$1; shift
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    say "$what is missing; installing $*"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null \
      || fail "$what is missing and could not be installed: apt-get install $*"
  else
    fail "$what is missing: install it (Debian, Ubuntu: sudo apt-get install $*) and run make setup again"
  fi
}

has_java() { [ "$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" -ge 17 ] 2> /dev/null; }

tools() {
  command -v "$python" > /dev/null || need "Python" python3
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || fail "$python is older than 3.11: install a newer one, or name it (make setup PYTHON=python3.12)"
  "$python" -c 'import ensurepip, venv' 2> /dev/null || need "Python's venv module" python3-venv
  # Kafka is for demo and tests; without Java and Maven the rest works with a broker of your own.
  has_java || need "Java 17 or newer" openjdk-17-jre-headless
  command -v mvn > /dev/null || need "Maven" maven
  command -v npm > /dev/null || need "Node with npm" nodejs npm
}

# What tests run on besides: certificates, a browser, two servers.
test-tools() {
  command -v openssl > /dev/null || need "OpenSSL" openssl
  command -v chromium > /dev/null || need "Chromium" chromium
  ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || need "PostgreSQL" postgresql
  command -v promtool > /dev/null || need "Prometheus" prometheus
  command -v amtool > /dev/null || need "Alertmanager" prometheus-alertmanager
}

# What the board's pages are made of, and what checks need that is written for Node.
pages() {
  say "the pages' style and scripts, and checks written for Node (pinned by hash)"
  npm ci --silent
}

uv() {
  say "the installer (uv, pinned by hash)"
  "$python" -m venv --clear .cache/uv
  .cache/uv/bin/python -m pip install -q --require-hashes -r requirements-uv.lock
}

packages() {
  say "Python packages (pinned by hash)"
  # A folder without our interpreter is from another machine, or half made.
  .venv/bin/python -c '' 2> /dev/null || .cache/uv/bin/uv venv -q --clear --python "$(command -v "$python")" .venv
  .cache/uv/bin/uv pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
}

project() {
  .cache/uv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
}

kafka() {
  .venv/bin/python -m keepintouch.runtime.local_broker
}

"$1"
