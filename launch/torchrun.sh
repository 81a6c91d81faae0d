#!/usr/bin/env bash
# Train on several machines without SLURM: type the same line on each of them.
#
#   NNODES=2 MASTER=node1:29500 launch/torchrun.sh pretrain/poisson [OPTION …]
#
# NNODES     machines (1)
# MASTER     host:port at which they meet, the same on all (localhost:29500)
# NPROC      processes on this machine: gpu, cpu or a number (gpu)
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
exec torchrun --nnodes "${NNODES:-1}" --nproc-per-node "${NPROC:-gpu}" \
  --rdzv-backend c10d --rdzv-endpoint "${MASTER:-localhost:29500}" --rdzv-id sciml \
  --max-restarts "${RESTARTS:-3}" \
  -m lightning_sciml.cli fit --config "$config" "${@:2}"
