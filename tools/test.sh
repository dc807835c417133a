#!/bin/bash
# All tests, and the coverage gate. Those of the converter, whose networks learn on one core, run
# beside the others where there are two; what they say is shown at the end.
#   tools/test.sh LEAST      the share of the runtime that has to be covered, in percent
set -um -o pipefail # With job control, what runs beside can be interrupted.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
bin=.venv/bin
rm -f .coverage .coverage.*

pytest() {
    local name=$1
    shift
    COVERAGE_FILE=.coverage.$name "$bin/pytest" --cov --cov-report= "$@"
}

if (($(nproc) > 1)); then
    said=$(mktemp)
    pytest converter tests/converter >"$said" 2>&1 &
    beside=$!
    trap 'kill -INT -- "-$beside"' INT TERM
    pytest others tests --ignore=tests/converter
    failed=$?
    ((failed == 2)) && kill -INT -- "-$beside" # Interrupted.
    echo "waiting for the tests of the converter"
    wait "$beside" || failed=$?
    cat "$said"
    rm -f "$said"
else
    pytest all tests
    failed=$?
fi

"$bin/coverage" combine --quiet && "$bin/coverage" report --fail-under="$1" || failed=$?
exit "$failed"
