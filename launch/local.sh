#!/usr/bin/env bash
# Training on this machine, on all of its GPUs or on its CPU; arguments as of slurm/pretrain.sbatch.
#
#   launch/local.sh launch/configs/pretrain/poisson.yaml [--trainer.max_epochs 10 …]
#
# The same line again goes on where the run stopped. `touch RUN_DIR/STOP_REQUESTED`, or a SIGUSR1 to
# the processes, ends it at the next step with everything saved.
set -euo pipefail

config=${1:-}
if [ ! -r "$config" ]; then
  echo "local.sh: error: a config file is wanted as first argument, got '$config'; see launch/configs" >&2
  exit 2
fi
exec sciml fit --config "$config" "${@:2}"
