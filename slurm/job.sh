# Functions of the *.sbatch files, which source this file in the folder of submission.
# shellcheck shell=bash

set -uo pipefail # not -e: a trapped signal ends `wait` with a status of its own

reject() {
  echo "${SLURM_JOB_NAME:-job}: error: $1" >&2
  exit 2
}

source_site() {
  local site=${SCIML_SITE:-slurm/site.sh}
  [ -r "$site" ] ||
    reject "the settings of this site are wanted in $site, nothing is there; cp slurm/site.example.sh $site and edit it"
  set +u # modules and conda read variables that are not set
  # shellcheck source=slurm/site.example.sh
  source "$site"
  set -u
}

# option NAME CONFIG ARGUMENT...: print the path that the program takes for --NAME, from the command
# line or the configs, each a file or a name of `sciml config list`; nothing where none is given.
option() {
  local name=$1 config=$2
  shift 2
  # shellcheck disable=SC2086 # the container is a command of several words
  ${SCIML_CONTAINER:-} python -m lightning_sciml.cli.given_option "$name" --config "$config" "$@"
}

# Export the address at which ranks meet. A node's name does not resolve everywhere; its address does.
# Each job has its own port, so that two jobs on a node do not meet, below the ports that Linux gives
# to connections.
choose_meeting_point() {
  local head
  head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  if [ -z "${MASTER_ADDR:-}" ]; then
    MASTER_ADDR=$head
    getent hosts "$head" >/dev/null ||
      MASTER_ADDR=$(scontrol show node --oneliner "$head" | grep -oP 'NodeAddr=\K\S+')
  fi
  export MASTER_ADDR MASTER_PORT=${MASTER_PORT:-$((10000 + SLURM_JOB_ID % 20000))}
}

one_task_a_gpu() {
  local gpus=${SLURM_GPUS_ON_NODE:-0} tasks=${SLURM_NTASKS_PER_NODE:-1}
  [ "$gpus" = 0 ] || [ "$gpus" = "$tasks" ] ||
    reject "one task a GPU is wanted, got $gpus GPUs and $tasks tasks on a node; add --ntasks-per-node=$gpus to sbatch"
}

# Print a notice where an option for GPUs may be forgotten. Where SLURM does not count GPUs, a job
# sees all of a node.
notice_without_gpus() {
  [ "${SLURM_GPUS_ON_NODE:-0}" = 0 ] && [[ $(nvidia-smi -L 2>/dev/null) != *GPU* ]] || return 0
  echo "${SLURM_JOB_NAME:-job}: SLURM gave this job no GPU, training runs on the CPU; for a GPU add --gpus-per-node=1 to sbatch" >&2
}

# run_step COMMAND...: run in the background until it ends, whatever signals come; its exit code.
# The caller traps SIGUSR1 (--signal=B:USR1@…: the time is nearly over). By SIGTERM SLURM ends the job;
# it has signalled the tasks itself.
run_step() {
  trap : TERM
  "$@" &
  step=$!
  wait "$step"
  while kill -0 "$step" 2>/dev/null; do wait "$step"; done
  wait "$step"
}

# queue_again REASON: queue this job, or this task of an array, again. Not if it was cancelled meanwhile,
# runs elsewhere because SLURM took this node for lost, or was queued too often. The job id of one task
# of an array is the id of the array.
queue_again() {
  local restarts=${SLURM_RESTART_COUNT:-0} most=${SCIML_MAX_RESTARTS:-100}
  local id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
  id=${id:-$SLURM_JOB_ID}
  [[ $(scontrol show job --oneliner "$id") = *" JobState=RUNNING "*" Restarts=$restarts "* ]] || return
  if [ "$restarts" -ge "$most" ]; then
    echo "$SLURM_JOB_NAME: $1; not queued again after $restarts restarts"
    return
  fi
  echo "$SLURM_JOB_NAME: $1; queued again (restart $((restarts + 1)))"
  scontrol requeue "$id"
  sleep 60 # until SLURM ends this script
}

# Print what changes with each checkpoint that a run writes.
checkpoint_of() {
  stat --format='%i %Y' "$1/checkpoints/last.ckpt" 2>/dev/null
}

num_shards() {
  find "$1" -name '*.h5' 2>/dev/null | wc -l
}

# train CONFIG [OPTION...]: sciml fit on all tasks of the job.
train() {
  local config=${1:-} run before rc
  [ -n "$config" ] || reject "a config is wanted as first argument; sciml config list names some"
  shift
  source_site
  run=$(option run_dir "$config" "$@") || exit 2
  [ -n "$run" ] || reject "a folder for the run is wanted; add --run_dir, or run_dir: to $config"
  one_task_a_gpu
  notice_without_gpus
  choose_meeting_point
  rm -f "$run/STOP_REQUESTED" "$run/PREEMPTED"
  trap 'mkdir -p "$run" && touch "$run/STOP_REQUESTED"' USR1
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
  export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
  before=$(checkpoint_of "$run")
  # shellcheck disable=SC2086 # the container is a command of several words
  run_step srun --kill-on-bad-exit=1 ${SCIML_CONTAINER:-} \
    sciml fit --config "$config" "$@" --run_dir "$run"
  rc=$?
  if [ -e "$run/PREEMPTED" ]; then
    queue_again "stopped at step $(cat "$run/PREEMPTED")"
  elif [ $rc != 0 ] && [ $rc != 2 ] && [ "$(checkpoint_of "$run")" != "$before" ]; then
    # A run that fails before it has written a checkpoint would fail again.
    queue_again "failed with exit code $rc, with a checkpoint to resume from"
  fi
  exit $rc
}

# generate CONFIG --output DIR [OPTION...]: sciml generate on all tasks of the job.
generate() {
  local config=${1:-} output before rc reason
  [ -n "$config" ] || reject "a config is wanted as first argument; sciml config list names some"
  shift
  source_site
  output=$(option output "$config" "$@") || exit 2
  [ -n "$output" ] || reject "a folder for the data set is wanted; add --output DIR"
  reason=
  trap 'reason="out of time"; kill "$step"' USR1 # whole shards are kept, the others are made again

  export OMP_NUM_THREADS=1
  before=$(num_shards "$output")
  # shellcheck disable=SC2086
  run_step srun --mpi="${SCIML_MPI:-pmi2}" --kill-on-bad-exit=1 ${SCIML_CONTAINER:-} \
    sciml generate "$config" "$@"
  rc=$?
  if [ $rc != 0 ] && [ "$(num_shards "$output")" -gt "$before" ]; then
    queue_again "${reason:-failed with exit code $rc}, $(num_shards "$output") shards are whole"
  fi
  exit $rc
}

# study FILE [--scale NAME] [--datasets LIST] [--first N]: the run of this task's number, counted from N; FILE may be a name.
study() {
  local file=${1:-} first=0 options=() index rc
  [ -n "$file" ] || reject "a study is wanted as first argument; sciml config list names some"
  [ -n "${SLURM_ARRAY_TASK_ID:-}" ] ||
    reject "an array is wanted; sciml study plan $file shows the lines to submit"
  shift
  while [ $# -gt 0 ]; do
    case $#:$1 in
      *:--first=*) first=${1#*=} ;;
      *:--scale=* | *:--datasets=*) options+=("$1") ;;
      [2-9]:--first) first=$2 && shift ;;
      [2-9]:--scale | [2-9]:--datasets) options+=("$1=$2") && shift ;;
      *) reject "only --scale NAME, --datasets LIST and --first N are wanted after the study file, got '$*'; what runs do is set in $file" ;;
    esac
    shift
  done
  [[ $first =~ ^(0|[1-9][0-9]*)$ ]] || reject "the number of a run is wanted in --first, got '$first'"
  index=$((first + SLURM_ARRAY_TASK_ID))
  source_site
  notice_without_gpus
  trap 'kill -USR1 "$step"' USR1 # srun passes it on; the run saves and ends
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
  export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
  # shellcheck disable=SC2086
  run_step srun --kill-on-bad-exit=1 ${SCIML_CONTAINER:-} sciml study run "$file" "${options[@]}" --index "$index"
  rc=$?
  [ $rc != 75 ] || queue_again "run $index was stopped"
  exit $rc
}
