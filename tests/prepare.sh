#!/usr/bin/env bash
# Install the Debian packages whose real programs the tests use, when root and apt are there.
# Without them the tests that need them say so and are counted as skipped.
set -u
have_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
if have_postgres; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null 2>&1 || true
  apt-get install -y -qq --no-install-recommends postgresql postgresql-contrib >/dev/null 2>&1 ||
    echo "postgresql could not be installed; its tests are skipped" >&2
else
  echo "not root: postgresql is not installed; its tests are skipped" >&2
fi
exit 0
