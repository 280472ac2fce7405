#!/usr/bin/env bash
# The documented training: turn-level credit on verl. Every value is a variable, and everything behind the command is an
# override of verl's own configuration:
#
#   MODEL_PATH=/models/Qwen3-8B bash recipes/userrl/train.sh --dry-run
#   MODEL_PATH=/models/Qwen3-8B GAMMA=0.9 bash recipes/userrl/train.sh trainer.n_gpus_per_node=4
#
# CUDA_VISIBLE_DEVICES, OPENAI_API_KEY, OPENAI_BASE_URL and MULTITURN_MODEL_NAME (who plays the users and judges; rules
# do unless it is set) are taken as they are.
set -euo pipefail

export PROJECT_DIR="${PROJECT_DIR:-$PWD}"
export MODEL_PATH="${MODEL_PATH:-}"

# Checkpoints are chosen on validation tasks, never on test tasks:
#   python recipes/userrl/merge_customize.py --split train       and again with --split validation
export TRAIN_FILES="${TRAIN_FILES:-$PROJECT_DIR/data/alltrain_multiturn/train.parquet}"
export VAL_FILES="${VAL_FILES:-$PROJECT_DIR/data/allvalidation_multiturn/validation.parquet}"

# Credit. grpo_multiturn: as documented; usergym_turn and others: docs/verl.md.
export ADV_ESTIMATOR="${ADV_ESTIMATOR:-grpo_multiturn}"
export TURN_LEVEL_METHOD="${TURN_LEVEL_METHOD:-Equalized}"
export TRAJECTORY_SCORE_METHOD="${TRAJECTORY_SCORE_METHOD:-Sum}"
export GAMMA="${GAMMA:-0.8}"

# Batches and lengths
export TRAIN_BATCH_SIZE="${TRAIN_BATCH_SIZE:-128}"
export PPO_MINI_BATCH_SIZE="${PPO_MINI_BATCH_SIZE:-16}"
export PPO_MICRO_BATCH_SIZE_PER_GPU="${PPO_MICRO_BATCH_SIZE_PER_GPU:-8}"
export N_ROLLOUTS="${N_ROLLOUTS:-8}"
export MAX_TURNS="${MAX_TURNS:-16}"
export MAX_PROMPT_LENGTH="${MAX_PROMPT_LENGTH:-1152}"
export MAX_RESPONSE_LENGTH="${MAX_RESPONSE_LENGTH:-8192}"
export LEARNING_RATE="${LEARNING_RATE:-1e-6}"
export TOTAL_EPOCHS="${TOTAL_EPOCHS:-15}"

# Memory and machines
export ENABLE_GRADIENT_CHECKPOINTING="${ENABLE_GRADIENT_CHECKPOINTING:-True}"
export ENABLE_ACTIVATION_OFFLOAD="${ENABLE_ACTIVATION_OFFLOAD:-True}"
export ROLLOUT_NAME="${ROLLOUT_NAME:-sglang}"          # or vllm
export TENSOR_MODEL_PARALLEL_SIZE="${TENSOR_MODEL_PARALLEL_SIZE:-1}"
export GPU_MEMORY_UTILIZATION="${GPU_MEMORY_UTILIZATION:-0.50}"
export N_GPUS_PER_NODE="${N_GPUS_PER_NODE:-8}"
export NNODES="${NNODES:-1}"

# What is kept and shown
export SAVE_FREQ="${SAVE_FREQ:-1}"
export TEST_FREQ="${TEST_FREQ:-5}"
export LOGGER="${LOGGER:-console,wandb}"
export PROJECT_NAME="${PROJECT_NAME:-UserRL}"
export EXPERIMENT_NAME="${EXPERIMENT_NAME:-userrl}"
export OUTPUT_DIR="${OUTPUT_DIR:-$PROJECT_DIR/checkpoints/$PROJECT_NAME/$EXPERIMENT_NAME}"

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "${PYTHON:-python}" "$here/train.py" "$@"
