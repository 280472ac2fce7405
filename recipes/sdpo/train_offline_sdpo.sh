#!/usr/bin/env bash
# Learning from recorded reactions: TRAIN_JSONL holds tuples (x, y, o).
#
#   usergym prepare wildfeedback --out data/wildfeedback
#   TRAIN_JSONL=data/wildfeedback/train.jsonl recipes/sdpo/train_offline_sdpo.sh --dry-run
#
# What stands behind -- goes to `usergym train sdpo`: -- --lora
set -euo pipefail

export BASE_MODEL="${BASE_MODEL:-Qwen/Qwen3-8B}"
export LR="${LR:-2e-6}"
export BS="${BS:-4}"                                        # conversations in one forward pass of one process
export GA="${GA:-8}"                                        # such passes in a step
export WORLD_SIZE="${WORLD_SIZE:-4}"                        # processes
export TRAIN_JSONL="${TRAIN_JSONL:-}"
export EPOCHS="${EPOCHS:-2}"
export SEED="${SEED:-42}"

export SDPO="${SDPO:-usergym}"                              # or legacy-offline
export ANCHOR="${ANCHOR:-}"                              # how firmly the policy is held near its start; default: the form's own
export MAX_LENGTH="${MAX_LENGTH:-4096}"                     # of a conversation
export SAVE_EVERY="${SAVE_EVERY:-200}"                      # steps
export ENABLE_THINKING="${ENABLE_THINKING:-false}"          # of a model whose chat template has the switch

export ACCELERATE_CONFIG="${ACCELERATE_CONFIG:-}"           # such as recipes/sdpo/multigpu_accelerate_config.yaml
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own
export BASE_WORK="${BASE_WORK:-${SCRATCH:-${TMPDIR:-/tmp}}}"
export RUN_ID="${RUN_ID:-}"                                 # default: made of the settings
export OUTPUT_DIR="${OUTPUT_DIR:-}"                         # default: $BASE_WORK/sdpo-offline-runs/$RUN_ID
export WANDB_PROJECT="${WANDB_PROJECT:-wildfeedback}"
export WANDB_NAME="${WANDB_NAME:-}"                         # default: RUN_ID

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/run.py" train-offline "$@"
