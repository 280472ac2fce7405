#!/usr/bin/env bash
# What a reaction, and beside it an unrelated remark, says of each token of a reply.
#
#   MODEL=local/smollm2 N_CASES=4 recipes/sdpo/run_signal_analysis.sh --dry-run
#
# What stands behind -- goes to `usergym signal`: -- --control shuffled
set -euo pipefail

export MODEL="${MODEL:-Qwen/Qwen3-8B}"
export CASES_JSON="${CASES_JSON:-}"                         # default: our own fourteen
export N_CASES="${N_CASES:-24}"                             # more than there are begin again with other replies
export SEED="${SEED:-123}"
export TEMPLATE="${TEMPLATE:-neutral}"                      # or improve, critique, bare, a file
export OUT_DIR="${OUT_DIR:-./sdpo_signals}"
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/run.py" signal "$@"
