#!/usr/bin/env bash
# Every test, once; tests/run.py says in which order and beside what.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec "${1:?the Python that has phasegate}" -m tests.run
