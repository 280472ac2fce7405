#!/usr/bin/env bash
# Prompts of many kinds: train.jsonl and validation.jsonl in OUT_DIR.
#
#   OUT_DIR=/path/to/helpsteer_data recipes/sdpo/prepare_data_helpsteer.sh --dry-run
set -euo pipefail

export OUT_DIR="${OUT_DIR:-./data/helpsteer2_prompts}"
export SOURCE="${SOURCE:-nvidia/HelpSteer2}"                # or files of the same rows
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/run.py" prepare-helpsteer "$@"
