#!/usr/bin/env bash
# Asks OSV and npm whether anything that is pinned here has a known vulnerability. Needs the internet, and fails if it cannot ask:
# no answer is not a good answer.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
failed=0

# uv audits projects: this is one that needs what the lock pins, and nothing else.
{
  printf '%s\n' '[project]' 'name = "what-is-pinned"' 'version = "0"' 'requires-python = ">=3.11.5"' 'dependencies = ['
  sed -n 's/^\([A-Za-z0-9][^ ]*==[^ ]*\).*/  "\1",/p' requirements.lock
  printf '%s\n' ']' '[tool.uv]' "environments = [\"sys_platform == 'linux' and python_version < '3.12'\"]"
} > "$folder/pyproject.toml"
echo "== Python packages" >&2
UV_PYTHON=$PWD/.venv/bin/python UV_PYTHON_DOWNLOADS=never .cache/uv/bin/uv audit -q --preview --project "$folder" || { failed=1; echo "audit: Python: vulnerable, or could not be asked" >&2; }

echo "== npm packages" >&2
npm audit --audit-level=low || { failed=1; echo "audit: npm: vulnerable, or could not be asked" >&2; }

[ $failed = 0 ] && echo "audit: nothing known" >&2
exit $failed
