#!/usr/bin/env bash
# Trains a simulated user on a person's latent states and words, or evaluates one (eval_only).
#
#   recipes/usim/train_grpo.sh GPUS DATASET CONFIG [PUSH MESSAGE RESUME MODEL_TYPE] [--dry-run] [-- FLAGS OF THE VERB]
#   recipes/usim/train_grpo.sh --help
#
#   recipes/usim/train_grpo.sh 0,1,2,3 reddit separate_system_prompt --dry-run
#   recipes/usim/train_grpo.sh cpu medium separate_generation no "" outputs/EXP/global_step_550
#   recipes/usim/train_grpo.sh 4,5,6,7 wildchat eval_only no "" outputs/EXP/global_step_366 sft-think
#
# What is empty here follows from the arguments, as README.md says.
set -euo pipefail

export BASE_MODEL_TYPE="${BASE_MODEL_TYPE:-qwen}"           # or userlm
export BASE_MODEL="${BASE_MODEL:-}"                         # default: that of the type
export DATA="${DATA:-}"                                     # default: what create_any_dataset.py wrote for DATASET
export HIERARCHY_CONFIG="${HIERARCHY_CONFIG:-}"             # default: that of CONFIG

# How levels are written. Each default is that of CONFIG; another value means another CONFIG.
export ENABLE_THINKING="${ENABLE_THINKING:-}"
export ENABLE_HIERARCHY="${ENABLE_HIERARCHY:-}"             # states condition what follows
export SEPARATE_GENERATION="${SEPARATE_GENERATION:-}"       # one level a generation
export USE_DIFF_H_SYS_PROMPTS="${USE_DIFF_H_SYS_PROMPTS:-}" # a prompt of its own for each level

# Training
export TRAIN_EPOCHS="${TRAIN_EPOCHS:-1}"
export TOTAL_TRAINING_STEPS="${TOTAL_TRAINING_STEPS:-}"     # in place of TRAIN_EPOCHS
export SAVE_FREQ="${SAVE_FREQ:-25}"                         # steps
export TEST_FREQ="${TEST_FREQ:-}"                           # steps; default: SAVE_FREQ
export KEEP="${KEEP:-5}"                                    # checkpoints besides the best, or all
export N_ROLLOUTS="${N_ROLLOUTS:-4}"
export TRAIN_BATCH_SIZE="${TRAIN_BATCH_SIZE:-}"             # tasks in a step; default: about 32
export PPO_MINI_BATCH_SIZE="${PPO_MINI_BATCH_SIZE:-4}"      # tasks in an update
export PPO_MICRO_BATCH_SIZE_PER_GPU="${PPO_MICRO_BATCH_SIZE_PER_GPU:-1}"  # replies in a pass
export LEARNING_RATE="${LEARNING_RATE:-1e-6}"
export KL_LOSS_COEF="${KL_LOSS_COEF:-1e-3}"
export TEMPERATURE="${TEMPERATURE:-0.8}"
export VAL_TEMPERATURE="${VAL_TEMPERATURE:-0.4}"
export MAX_PROMPT_LENGTH="${MAX_PROMPT_LENGTH:-}"           # default: that of DATASET
export MAX_GEN_LENGTH="${MAX_GEN_LENGTH:-}"                 # default: 1024, without thinking 512
export VAL_SIZE="${VAL_SIZE:-}"                             # default: that of DATASET
export EVAL_SIZE="${EVAL_SIZE:-}"                           # likewise, of eval_only
export SEED="${SEED:-0}"
export JUDGE_MODEL="${JUDGE_MODEL:-openai/gpt-5-mini}"      # or rules
export EVAL_JUDGE_MODEL="${EVAL_JUDGE_MODEL:-anthropic/claude-haiku-4-5}" # or rules

export EXP_NAME="${EXP_NAME:-}"                             # default: made of the settings
export OUTPUT_DIR="${OUTPUT_DIR:-}"                         # default: outputs/$EXP_NAME
export ACCELERATE_CONFIG="${ACCELERATE_CONFIG:-}"           # such as recipes/accelerate/fsdp.yaml
export CACHE_DIR="${CACHE_DIR:-}"                           # of the hub's files; default: the hub client's own
export WANDB_PROJECT="${WANDB_PROJECT:-usim}"
export WANDB_NAME="${WANDB_NAME:-}"                         # default: EXP_NAME

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" -B "$here/train_grpo.py" "$@"
