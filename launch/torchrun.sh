#!/usr/bin/env bash
# Train on several machines without SLURM: type the same line on each of them.
#
#   NNODES=2 MASTER=node1:29500 launch/torchrun.sh pretrain/poisson [OPTION …]
#
# NNODES     machines (1)
# MASTER     host:port at which they meet, the same on all (localhost:29500)
# NPROC      processes on this machine: gpu for one on each GPU, cpu for one on each core, or a number
#            (gpu; 1 where there is no GPU)
# RESTARTS   how often all processes are started again after one has died (3); they resume from
#            the last checkpoint
#
# `touch RUN_DIR/STOP_REQUESTED` saves everything at the next step and ends the run.
set -euo pipefail

config=${1:-}
if [ -z "$config" ]; then
  echo "torchrun.sh: error: a config is wanted as first argument; sciml config list names some" >&2
  exit 2
fi
python -m lightning_sciml.cli.given_option run_dir --config "$config" >/dev/null # one line instead of torchrun's many
processes=${NPROC:-gpu}
if [ "$processes" = gpu ] && ! python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  if [ -n "${NPROC:-}" ]; then
    echo "torchrun.sh: error: NPROC=gpu needs a GPU that CUDA sees, there is none; set NPROC to a number, and --trainer.accelerator cpu" >&2
    exit 2
  fi
  echo "torchrun.sh: no GPU that CUDA sees, so one process trains; NPROC=2 starts two" >&2
  processes=1
fi
exec torchrun --nnodes "${NNODES:-1}" --nproc-per-node "$processes" \
  --rdzv-backend c10d --rdzv-endpoint "${MASTER:-localhost:29500}" --rdzv-id sciml \
  --max-restarts "${RESTARTS:-3}" \
  -m lightning_sciml.cli fit --config "$config" "${@:2}"
