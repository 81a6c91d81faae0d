#!/usr/bin/env bash
# Run a SLURM of two nodes on this one host, to develop and test the scripts in slurm/.
#
#   launch/devcluster.sh up        start it, or restart its dead daemons; print how to use it
#   launch/devcluster.sh status    show its nodes and jobs; exit code 1 if it is not up
#   launch/devcluster.sh down      end its jobs and daemons; logs stay
#
# It writes to $SCIML_DEVCLUSTER only (.devcluster by default). It shows signals, requeueing,
# environment and how ranks meet; it does not show a network: both nodes are this host.
set -euo pipefail

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FOLDER=$(realpath -m "${SCIML_DEVCLUSTER:-$REPOSITORY/.devcluster}")
NODES=(n1 n2)
CANNOT=3 # exit code where this host cannot run the cluster; other codes are failures
export SLURM_CONF=$FOLDER/slurm.conf
export PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "devcluster: error: $2" >&2
  exit "$1"
}

missing_programs() {
  local program
  for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || printf '%s ' "$program"
  done
}

install_slurm() {
  local missing
  missing=$(missing_programs)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail $CANNOT "SLURM and munge are wanted, missing: ${missing% }; install slurm-wlm and munge (needs root)"
  fi
  echo "devcluster: installing slurm-wlm and munge"
  {
    apt-get update -q &&
      DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends slurm-wlm munge
  } >"$FOLDER/log/apt.log" 2>&1 ||
    fail $CANNOT "apt-get could not install slurm-wlm and munge; see $FOLDER/log/apt.log"
}

# free_ports NUMBER: below those that Linux gives to connections, which come and go while a daemon is
# down, and above those of job.sh.
free_ports() {
  python3 - "$1" <<-'PYTHON'
	import random, socket, sys
	def is_free(port):
	    with socket.socket() as probe:
	        return probe.connect_ex(("127.0.0.1", port)) != 0
	ports = filter(is_free, random.sample(range(30000, 32768), 1000))
	print(*(next(ports) for _ in range(int(sys.argv[1]))))
	PYTHON
}

# cred_expire is also how long SLURM holds a requeued job back (two minutes by default), and
# sched_interval how often it looks at those (once a minute by default).
# Partition "urgent" preempts jobs of "batch": SIGTERM, a minute of grace, SIGKILL, requeue.
write_configuration() {
  local host user i ports
  read -ra ports <<<"$(free_ports $((1 + ${#NODES[@]})))"
  host=$(hostname -s)
  user=$(id -un)
  cat >"$SLURM_CONF" <<-CONF
	ClusterName=devcluster
	SlurmctldHost=$host(127.0.0.1)
	SlurmctldPort=${ports[0]}
	SlurmUser=$user
	SlurmdUser=$user
	AuthInfo=socket=$FOLDER/munge/socket,cred_expire=5
	SchedulerParameters=sched_interval=1
	StateSaveLocation=$FOLDER/state
	SlurmdSpoolDir=$FOLDER/spool/%n
	SlurmctldPidFile=$FOLDER/pid/slurmctld.own
	SlurmdPidFile=$FOLDER/pid/%n.own
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	JobAcctGatherType=jobacct_gather/none
	SelectType=select/cons_tres
	SelectTypeParameters=CR_Core
	SlurmdParameters=config_overrides
	SlurmdTimeout=10
	KillWait=10
	JobRequeue=1
	ReturnToService=2
	PreemptType=preempt/partition_prio
	PreemptMode=REQUEUE
	CONF
  for i in "${!NODES[@]}"; do
    echo "NodeName=${NODES[i]} NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[i + 1]} CPUs=4"
  done >>"$SLURM_CONF"
  cat >>"$SLURM_CONF" <<-CONF
	PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=60
	PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF
	CONF
}

is_running() {
  local pid
  pid=$(cat "$FOLDER/pid/$1" 2>/dev/null) && [ -n "$pid" ] &&
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "$2"
}

# start NAME PROGRAM [ARGUMENT...]: in a session of its own, its id in pid/NAME.
start() {
  local name=$1
  shift
  is_running "$name" "$1" && return
  setsid "$@" >>"$FOLDER/log/$name.log" 2>&1 </dev/null &
  echo $! >"$FOLDER/pid/$name"
}

start_munge() {
  if [ ! -e "$FOLDER/munge/key" ]; then
    (umask 077 && head -c 128 /dev/urandom >"$FOLDER/munge/key")
  fi
  is_running munged munged || rm -f "$FOLDER"/munge/socket*
  start munged munged --foreground --force --socket="$FOLDER/munge/socket" \
    --key-file="$FOLDER/munge/key" --seed-file="$FOLDER/munge/seed" \
    --pid-file="$FOLDER/pid/munged.own" --log-file="$FOLDER/log/munged.log"
  wait_for 10 "munged" test -S "$FOLDER/munge/socket"
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local seconds=$1 what=$2 i
  shift 2
  for ((i = 0; i < seconds * 5; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  fail 1 "$what did not come up in $seconds s; see $FOLDER/log"
}

nodes_are_up() {
  local states
  states=$(sinfo --noheader --Node --partition=batch --format=%T) || return
  [ "$(grep -cE '^(idle|mixed|allocated|completing)$' <<<"$states")" = ${#NODES[@]} ]
}

up() {
  mkdir -p "$FOLDER"/{log,munge,pid,state,spool} 2>/dev/null ||
    fail $CANNOT "a folder that can be written is wanted, $FOLDER is not; set SCIML_DEVCLUSTER"
  chmod 755 "$FOLDER" "$FOLDER/munge" # munged rejects a socket that others cannot reach
  [ ${#FOLDER} -le 80 ] || fail $CANNOT "a folder of at most 80 characters is wanted (sockets), got $FOLDER; set SCIML_DEVCLUSTER"
  install_slurm
  is_running slurmctld slurmctld || write_configuration
  start_munge
  start slurmctld slurmctld -D
  local node
  for node in "${NODES[@]}"; do
    start "$node" slurmd -D -N "$node"
  done
  wait_for 60 "the cluster" nodes_are_up
  echo "devcluster: up. To use it: export SLURM_CONF=$SLURM_CONF"
}

status() {
  is_running slurmctld slurmctld || fail 1 "not up; launch/devcluster.sh up starts it"
  sinfo --Node --long
  squeue
}

# Job steps outlive a slurmd that was killed. They are this cluster's by their environment.
remains() {
  local process
  for process in /proc/[0-9]*; do
    grep -qzxF "SLURM_CONF=$SLURM_CONF" "$process/environ" 2>/dev/null || continue
    if grep -qz '^SLURM_JOB_ID=' "$process/environ" || [ "$(cat "$process/comm")" = slurmstepd ]; then
      echo "${process#/proc/}"
    fi
  done 2>/dev/null
}

stop() {
  local pid i
  is_running "$1" "$2" || return 0
  pid=$(cat "$FOLDER/pid/$1")
  kill "$pid" 2>/dev/null
  for ((i = 0; i < 50; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$FOLDER/pid/$1"
}

down() {
  local node i
  if is_running slurmctld slurmctld; then
    squeue --noheader --format=%A 2>/dev/null | xargs -r scancel 2>/dev/null || true
    for ((i = 0; i < 75; i++)); do
      [ -n "$(squeue --noheader 2>/dev/null)" ] || break
      sleep 0.2
    done
  fi
  for node in "${NODES[@]}"; do stop "$node" slurmd; done
  stop slurmctld slurmctld
  stop munged munged
  remains | xargs -r kill -9 2>/dev/null || true
  rm -rf "$FOLDER/state" "$FOLDER/spool" "$FOLDER/pid"
  echo "devcluster: down"
}

case "${1:-}" in
  up | down | status) "$1" ;;
  *) fail 2 "one of up, down, status is wanted, got '${1:-}'" ;;
esac
