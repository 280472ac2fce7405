#!/usr/bin/env bash
# The documented cold start: a full fine-tune on exported conversations, over `usergym train sft`. Every value is a
# variable, and everything behind the command goes to `usergym train sft` (see its --help).
#
#   usergym export runs/oracle --format sft --train data/sft.jsonl --top-k 1
#   MODEL_PATH=/models/Qwen3-8B DATA=data/sft.jsonl bash recipes/userrl/sft.sh --dry-run
set -euo pipefail

PROJECT_DIR="${PROJECT_DIR:-$PWD}"
MODEL_PATH="${MODEL_PATH:-}"
DATA="${DATA:-$PROJECT_DIR/data/sft.jsonl}"
OUTPUT_DIR="${OUTPUT_DIR:-$PROJECT_DIR/checkpoints/sft}"
CUTOFF_LEN="${CUTOFF_LEN:-16384}"
PER_DEVICE_TRAIN_BATCH_SIZE="${PER_DEVICE_TRAIN_BATCH_SIZE:-2}"
GRADIENT_ACCUMULATION_STEPS="${GRADIENT_ACCUMULATION_STEPS:-4}"
LEARNING_RATE="${LEARNING_RATE:-1e-5}"
LR_SCHEDULER_TYPE="${LR_SCHEDULER_TYPE:-cosine}"
WARMUP_RATIO="${WARMUP_RATIO:-0.1}"
NUM_TRAIN_EPOCHS="${NUM_TRAIN_EPOCHS:-3}"
BF16="${BF16:-true}"
GRADIENT_CHECKPOINTING="${GRADIENT_CHECKPOINTING:-true}"
NPROC_PER_NODE="${NPROC_PER_NODE:-1}"
# For weights that one GPU does not hold: LAUNCHER="accelerate launch --config_file zero3.yaml"
LAUNCHER="${LAUNCHER:-}"

dry=
arguments=()
for argument in "$@"; do
    if [ "$argument" = --dry-run ]; then dry=yes; else arguments+=("$argument"); fi
done

if [ -n "$LAUNCHER" ]; then
    read -r -a launcher <<< "$LAUNCHER"
elif [ "$NPROC_PER_NODE" != 1 ]; then
    launcher=("${PYTHON:-python}" -m torch.distributed.run --standalone "--nproc_per_node=$NPROC_PER_NODE")
else
    launcher=("${PYTHON:-python}")
fi
command=(
    "${launcher[@]}" -m usergym train sft "$DATA" --model "$MODEL_PATH" --out "$OUTPUT_DIR"
    --epochs "$NUM_TRAIN_EPOCHS" --learning-rate "$LEARNING_RATE" --schedule "$LR_SCHEDULER_TYPE"
    --warmup "$WARMUP_RATIO" --max-length "$CUTOFF_LEN" --micro-batch "$PER_DEVICE_TRAIN_BATCH_SIZE"
    --batch "$((PER_DEVICE_TRAIN_BATCH_SIZE * GRADIENT_ACCUMULATION_STEPS * NPROC_PER_NODE))"
)
if [ "$BF16" = true ]; then command+=(--bf16); else command+=(--no-bf16); fi
if [ "$GRADIENT_CHECKPOINTING" = true ]; then command+=(--gradient-checkpointing); fi
command+=(${arguments[@]+"${arguments[@]}"})

if [ -n "$dry" ]; then
    for name in PROJECT_DIR CUDA_VISIBLE_DEVICES MODEL_PATH DATA OUTPUT_DIR CUTOFF_LEN PER_DEVICE_TRAIN_BATCH_SIZE \
        GRADIENT_ACCUMULATION_STEPS LEARNING_RATE LR_SCHEDULER_TYPE WARMUP_RATIO NUM_TRAIN_EPOCHS BF16 \
        GRADIENT_CHECKPOINTING NPROC_PER_NODE LAUNCHER; do
        value="${!name:-}"
        printf '%-30s %s\n' "$name" "${value:-not set}"
    done
    printf '\n'
    printf '%q ' "${command[@]}"
    printf '\n'
    exit 0
fi
if [ -z "$MODEL_PATH" ]; then
    echo "error: no model; set MODEL_PATH to a folder of transformers files, such as MODEL_PATH=/models/Qwen3-8B" >&2
    exit 1
fi
exec "${command[@]}"
