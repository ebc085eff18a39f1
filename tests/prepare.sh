#!/usr/bin/env bash
# Install the real programs that the tests use: PostgreSQL where root and apt are there, wrangler and
# workerd where npm works. Without one, its tests say so and are counted as skipped.
set -u
have_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
get_postgres() {
  if have_postgres; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1 || true
    apt-get install -y -qq --no-install-recommends postgresql postgresql-contrib >/dev/null 2>&1 ||
      echo "postgresql could not be installed; its tests are skipped" >&2
  else
    echo "not root: postgresql is not installed; its tests are skipped" >&2
  fi
}
get_postgres
"$(dirname "${BASH_SOURCE[0]}")/../toolchain/install.sh" ||
  echo "wrangler and workerd are not here: THE CONFORMANCE RUN AND ALL JAVASCRIPT WORKERS ARE SKIPPED" >&2
exit 0
