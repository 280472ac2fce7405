#!/usr/bin/env bash
# TL;DR: a model learns to summarise for a user whom a local model plays.
#
#   TRAIN_JSONL=./data/tldr_prompts_unique/train.jsonl VAL_JSONL=./data/tldr_prompts_unique/validation.jsonl \
#       recipes/sdpo/train_online_sdpo_tldr.sh --dry-run
#
# What stands behind -- goes to `usergym train sdpo`: -- --lora --vllm colocate
set -euo pipefail

export MODEL_NAME_OR_PATH="${MODEL_NAME_OR_PATH:-Qwen/Qwen3-8B}"
export USER_MODEL_NAME_OR_PATH="${USER_MODEL_NAME_OR_PATH:-Qwen/Qwen3-8B}"
export STYLE="${STYLE:-concise_casual_beginner}"            # a+b: at once; a>b: one after the other
export LR="${LR:-5e-6}"
export BS="${BS:-2}"                                        # prompts in one forward pass of one process
export GA="${GA:-4}"                                        # such passes in a step
export WORLD_SIZE="${WORLD_SIZE:-4}"                        # processes
export SYSTEM_PROMPT="${SYSTEM_PROMPT:-tldr}"              # tldr or general

export TRAIN_JSONL="${TRAIN_JSONL:-./data/tldr_prompts_unique/train.jsonl}"
export VAL_JSONL="${VAL_JSONL:-./data/tldr_prompts_unique/validation.jsonl}"
export TRAIN_N="${TRAIN_N:-512}"                            # prompts, each taken once
export EVAL_N="${EVAL_N:-256}"                              # held-out prompts
export MAX_PROMPT_TOKENS="${MAX_PROMPT_TOKENS:-512}"        # longer ones are passed over
export SEED="${SEED:-42}"

export SDPO="${SDPO:-usergym}"                              # or legacy-online
export ANCHOR="${ANCHOR:-}"                              # how firmly the policy is held near its start; default: the form's own
export MAX_NEW_TOKENS="${MAX_NEW_TOKENS:-258}"              # of a reply
export USER_MAX_TOKENS="${USER_MAX_TOKENS:-128}"            # of a reaction
export USER_TEMPERATURE="${USER_TEMPERATURE:-0.7}"
export ENABLE_THINKING="${ENABLE_THINKING:-false}"          # of a policy whose chat template has the switch
export SAVE_EVERY="${SAVE_EVERY:-3}"                        # steps; all these checkpoints are kept
export EVAL_EVERY="${EVAL_EVERY:-3}"                        # steps; 0: never
export STYLE_EVERY="${STYLE_EVERY:-500}"                    # prompts that each style of a sequence lasts

export ACCELERATE_CONFIG="${ACCELERATE_CONFIG:-}"           # such as recipes/sdpo/multigpu_accelerate_config.yaml
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own
export BASE_WORK="${BASE_WORK:-${SCRATCH:-${TMPDIR:-/tmp}}}"
export RUN_ID="${RUN_ID:-}"                                 # default: made of the settings
export OUTPUT_DIR="${OUTPUT_DIR:-}"                         # default: $BASE_WORK/sdpo-tldr-runs/$RUN_ID
export WANDB_PROJECT="${WANDB_PROJECT:-tldr}"
export WANDB_NAME="${WANDB_NAME:-}"                         # default: RUN_ID

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/run.py" train-online-tldr "$@"
