#!/usr/bin/env bash
# Every test, at most once. The end-to-end tests come first and by themselves: three lanes of them fill two
# cores, and the others ask real programs for real answers in time, which a starved machine does not give.
set -u
python="${1:?the Python that has phasegate}"
"$python" -m pytest tests/e2e -n 3 --dist loadfile --no-loadscope-reorder
ended=$?
"$python" -m pytest --ignore tests/e2e -n 5 --dist loadfile --no-loadscope-reorder
others=$?
if [ "$others" -ne 0 ] || [ "$ended" -ne 0 ]; then
  echo "tests failed: the end-to-end tests ended with $ended, the others with $others (0 is well)" >&2
  exit 1
fi
