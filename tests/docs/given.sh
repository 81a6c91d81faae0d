#!/usr/bin/env bash
# shellcheck disable=SC2086 # options are several words
# What a reader of a page on one task has: data sets and runs of the names that the pages use, tiny.
set -eu
for set in poisson_1_5 poisson_5_10 advection_diffusion_0p2_1 helmholtz_1_10; do
  sciml generate data/$set --output data/$set $TINY_DATA
done
sciml generate data/navier_stokes_0p004_0p01 --output data/navier_stokes_0p001_0p004 --name navier_stokes_0p001_0p004 \
  --initial_state.num_modes 6 --times.num 6 --steps 16 --max_time_error 1 --max_spectral_tail 1 --num_points 32 \
  --num_train_samples 4 --num_val_samples 2 --num_test_samples 2
quiet="--trainer.enable_progress_bar false"
sciml fit --config pretrain/poisson --config recipe/dimensionless $TINY_RUN $quiet
sciml fit --config finetune/poisson --data.num_train_samples 16 $FEW_STEPS $quiet
sciml fit --config pretrain/evolution $TINY_RUN $quiet
