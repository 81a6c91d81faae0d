# Settings of this site. Copy this file to slurm/site.sh and edit it.
#
# Every job sources it. Source it in your shell too, before sbatch, which reads the SBATCH_* variables
# there.
# shellcheck shell=bash

# Partition and account. Give GPUs, nodes and time to sbatch itself, since they change from run to run.
# export SBATCH_PARTITION=gpu
# export SBATCH_ACCOUNT=my_project
# export SBATCH_QOS=normal

# Environment: the one that `make setup` made, or the site's own.
# module load cuda mpich
source .venv/bin/activate

# Container, instead of the environment: the words before every command of a job step.
# SCIML_CONTAINER="apptainer exec --nv image.sif"

# MPI of data generation. `srun --mpi=list` shows what this SLURM offers: pmi2 starts MPICH, Intel MPI
# and Cray MPICH, pmix starts Open MPI. mpi4py loads the library named here (any MPI of its ABI).
# export SCIML_MPI=pmix
# export MPI4PY_LIBMPI=/opt/mpi/lib/libmpi.so

# Network interface of training, where the first one found is not the fast one.
# export NCCL_SOCKET_IFNAME=ib0 GLOO_SOCKET_IFNAME=ib0

# A disk in each node: data sets are copied there before training, once a job.
# export SCIML_STAGE_DIR=/local/scratch/$USER

# How often a job is queued again at most, for any reason.
# export SCIML_MAX_RESTARTS=100
