#!/usr/bin/env bash
# The documented evaluation: eval.sh --model_name NAME [--port 8000] [--max_turns 16] [--pass_k 1] [--temperature 0]
#                            [--envs travel22 ... turtle] [--save_name runs/results]
set -euo pipefail
export MAX_WORKER_NUM="${MAX_WORKER_NUM:-10}"
export PROJECT_ROOT="${PROJECT_ROOT:-$PWD}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" "$here/eval.py" --max_turns 16 --temperature 0 "$@"
