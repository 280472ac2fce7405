#!/usr/bin/env bash
# Prompts to summarise: train.jsonl and validation.jsonl in OUT_DIR.
#
#   OUT_DIR=/path/to/tldr_data recipes/sdpo/prepare_data_tldr.sh --dry-run
set -euo pipefail

export OUT_DIR="${OUT_DIR:-./data/tldr_prompts_unique}"
export SOURCE="${SOURCE:-openai/summarize_from_feedback}"   # or files of the same rows
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/run.py" prepare-tldr "$@"
