#!/usr/bin/env bash
# Every test, at most once. The end-to-end tests share one house and mostly wait for it; the others wait
# for real timeouts. So both run at the same time, and the house comes first where the processor is short.
set -u
python="${1:?the Python that has phasegate}"
log="$(mktemp)"
house=""
# Interrupted, not killed: the house ends its own programs.
trap '[ -n "$house" ] && kill -INT "$house" 2>/dev/null && wait "$house"; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

echo "the end-to-end tests run beside the others; their output follows"
# With job control, or a program in the background could not be interrupted.
set -m
"$python" -m pytest tests/e2e -n 3 --dist loadfile --no-loadscope-reorder >"$log" 2>&1 &
house=$!
set +m
nice -n 10 "$python" -m pytest --ignore tests/e2e -n 6 --dist loadfile --no-loadscope-reorder
others=$?
tail -n +1 --pid="$house" -f "$log"
wait "$house"
ended=$?
house=""
if [ "$others" -ne 0 ] || [ "$ended" -ne 0 ]; then
  echo "tests failed: the end-to-end tests ended with $ended, the others with $others (0 is well)" >&2
  exit 1
fi
