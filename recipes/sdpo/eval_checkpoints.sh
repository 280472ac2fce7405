#!/usr/bin/env bash
# How often each checkpoint's replies suit the style better than those of the model it started from.
#
#   RUN_DIR=$SCRATCH/sdpo-runs/RUN recipes/sdpo/eval_checkpoints.sh --dry-run
#
# What stands behind -- goes to `usergym eval style`: -- --oracle
set -euo pipefail

export RUN_DIR="${RUN_DIR:-}"
export DATA_PATH="${DATA_PATH:-./data/helpsteer2_prompts/validation.jsonl}"
export CKPTS="${CKPTS:-3 6 9 12 15}"                        # or all
export STYLE="${STYLE:-concise_casual_beginner}"
export BASELINE="${BASELINE:-}"                             # default: the model that the run started from
export JUDGE_MODEL="${JUDGE_MODEL:-anthropic/claude-haiku-4-5-20251001}"                     # or rules
export SYSTEM_PROMPT="${SYSTEM_PROMPT:-general}"              # as in training
export EVAL_N="${EVAL_N:-256}"
export MAX_PROMPT_TOKENS="${MAX_PROMPT_TOKENS:-512}"
export MAX_NEW_TOKENS="${MAX_NEW_TOKENS:-1024}"             # of a reply
export SEED="${SEED:-42}"
export OUT_DIR="${OUT_DIR:-}"                               # default: $RUN_DIR/eval-$STYLE
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/run.py" eval "$@"
