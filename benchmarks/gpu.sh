#!/usr/bin/env bash
# All checks that want a GPU, in less than twelve minutes on one of them:
#
#     benchmarks/gpu.sh OUTPUT_DIR            on a GPU
#     benchmarks/gpu.sh OUTPUT_DIR --smoke    the same in small, anywhere, to see that it runs
#
# Correctness against float64; which transform is faster; seconds a step of each size in float32,
# TF32 and bfloat16, eager and compiled, with the roofline; a short real pre-training; and FNO-2D of
# Li et al. (arXiv 2010.08895) on forced Navier-Stokes, ν = 0.001, tested by rollouts to t = 50.
# PYTHON says which interpreter; peers are added by PEERS="neuraloperator reference=PATH".
# Every part has a time limit of its own; one that fails or runs over is named at the end.
set -uo pipefail

usage="error: wanted benchmarks/gpu.sh OUTPUT_DIR [--smoke]"
output=${1:?$usage}
case ${2:-} in
--smoke) smoke=true ;;
"") smoke=false ;;
*) echo "$usage, got $2" >&2 && exit 2 ;;
esac
python=${PYTHON:-python}
mkdir -p "$output"
output=$(cd "$output" && pwd)
cd "$(dirname "$0")/.."
read -ra peers <<<"${PEERS:-}"

if $smoke; then
    device=cpu
    step=(--sizes 64K --batch_size 2 --num_points 32 --rounds 2 --modes eager --roofline --no-memory)
    large=()
    transforms=(--points 32 --modes 4 --channels 4)
    data=(--num_points 32 --num_train_samples 32 --num_val_samples 8 --num_test_samples 8)
    training=(--data.batch_size 8 --trainer.max_steps 6 --trainer.accelerator cpu)
    flow_data=(--num_points 64 --times.num 14 --num_train_samples 4 --num_val_samples 2
        --num_test_samples 2)
    flow=(--data.num_train_samples 4 --data.batch_size 4 --trainer.max_epochs 1 --trainer.accelerator cpu)
    mpirun=()
    size=64K precision=32-true
else
    device=cuda
    step=(--sizes 64K 1M 4M 16M --batch_size 128 --rounds 20)
    large=(--sizes 64M 256M --batch_size 32 --rounds 10 --no-memory)
    transforms=()
    data=(--num_points 128 --num_train_samples 2048 --num_val_samples 256 --num_test_samples 256)
    training=(--data.batch_size 128 --trainer.max_epochs 40)
    flow_data=(--num_train_samples 1000 --num_val_samples 50 --num_test_samples 200)
    flow=(--data.cache device --trainer.max_epochs 20)
    mpirun=(mpirun -n "$(nproc)")
    size=16M precision=bf16-mixed
fi

failed=()
part() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2
    shift 2
    if $smoke; then limit=300; fi # a CPU may be busy with other things
    echo "== $name: $*"
    timeout "$limit" "$@" 2>&1 | tee "$output/$name.log"
    local status=${PIPESTATUS[0]}
    if ((status)); then failed+=("$name (exit $status)"); fi
}

started=$SECONDS
part correctness 40 "$python" benchmarks/correctness.py --device "$device"
part transforms 40 "$python" benchmarks/transforms.py --device "$device" "${transforms[@]}"
part steps 190 "$python" benchmarks/fno_step.py --device "$device" "${step[@]}" \
    --precisions 32-true tf32 bf16-mixed --peers "${peers[@]}" --json "$output/steps.json"
if ((${#large[@]})); then
    part large_steps 120 "$python" benchmarks/fno_step.py --device "$device" "${large[@]}" \
        --precisions 32-true tf32 bf16-mixed --json "$output/large_steps.json"
fi
part data 40 "$python" data_gen/solve.py --config launch/configs/data/poisson_1_5.yaml \
    --output "$output/data" "${data[@]}"
part training 80 "$python" -m lightning_sciml.cli fit \
    --config launch/configs/pretrain/poisson.yaml --run_dir "$output/run" \
    --data.datasets "[$output/data]" --model.init_args.network.init_args.size "$size" \
    --trainer.precision "$precision" --trainer.log_every_n_steps 1 "${training[@]}"
part test 20 "$python" -m lightning_sciml.cli test --config "$output/run/config.yaml"
part flow_data 60 "${mpirun[@]}" "$python" data_gen/solve.py \
    --config launch/configs/data/forced_navier_stokes_0p001.yaml --output "$output/flow_data" \
    --shard_size 64 "${flow_data[@]}"
part flow 110 "$python" -m lightning_sciml.cli fit \
    --config launch/configs/pretrain/forced_navier_stokes.yaml --run_dir "$output/flow" \
    --data.datasets "[$output/flow_data]" "${flow[@]}"
part flow_test 20 "$python" -m lightning_sciml.cli test --config "$output/flow/config.yaml" \
    --data.rollout all

echo "== $((SECONDS - started)) s"
if ((${#failed[@]})); then
    printf 'error: %s failed, see %s\n' "${failed[*]}" "$output" >&2
    exit 1
fi
