#!/usr/bin/env bash
# Checks of the contract. `quick` is for every commit (about a minute); `long` is the whole proof (about an hour).
#
#   check.sh quick   artifacts and calendar vectors fresh, all tests on the shipped code, gas snapshot
#   check.sh long    the same with 10,000 fuzz runs and 10,000 invariant runs, all tests again on the other code
#                    generator, coverage of every line and branch, mutation testing
#   check.sh gas     only the gas snapshot; `gas --write` accepts the measured figures
set -euo pipefail

cd "$(dirname "$0")/.."
forge="script/forge"
python="${PYTHON:-python3}"

say() { printf '\n== %s\n' "$*"; }

fresh() {
  say "format"
  "$forge" fmt --check
  say "generated files"
  "$python" script/generate.py --check
  "$python" script/calendar_vectors.py --check
}

tests() { # profile
  say "tests, profile $1"
  FOUNDRY_PROFILE="$1" "$forge" test --no-match-path 'test/gas/*'
}

# Whole transactions, so --isolate. The figures of the shipped code are committed in snapshots/ and may not change unseen.
gas() {
  say "gas snapshot"
  FORGE_SNAPSHOT_CHECK="$1" FORGE_SNAPSHOT_EMIT="$2" "$forge" test --isolate --match-path 'test/gas/*'
}

coverage() {
  say "coverage"
  FOUNDRY_PROFILE=coverage "$forge" coverage --no-match-path 'test/{gas,invariant}/*' --report summary \
    | tee cache/coverage.txt | grep -E '^\| (File|src/)'
  if grep -E '^\| src/' cache/coverage.txt | grep -vE '(100\.00% \([0-9/]+\)[ |]+){4}'; then
    echo "a line or a branch of src/ is not covered" >&2
    return 1
  fi
}

case "${1:-quick}" in
  quick)
    fresh
    tests default
    gas true false
    ;;
  long)
    fresh
    tests long
    tests legacy
    gas true false
    coverage
    say "mutation testing"
    "$python" script/mutate.py --workers "$(nproc)"
    ;;
  gas)
    if [ "${2:-}" = --write ]; then gas false true; else gas true false; fi
    ;;
  *)
    sed -n '2,8p' "$0"
    exit 2
    ;;
esac
