# What the scripts here must know of this site. Copy to slurm/site.sh and edit.
#
# Every job sources it. Source it in your shell as well, before sbatch: sbatch reads the SBATCH_*
# variables there.
# shellcheck shell=bash

# Where jobs go. GPUs, nodes and time are given to sbatch itself, since they change from run to run.
# export SBATCH_PARTITION=gpu
# export SBATCH_ACCOUNT=my_project
# export SBATCH_QOS=normal

# The environment: the one that `make setup` made, or the site's own.
# module load cuda mpich
source .venv/bin/activate

# A container instead: what stands in front of every command of a job step.
# SCIML_CONTAINER="apptainer exec --nv image.sif"

# MPI of data generation. `srun --mpi=list` says what this SLURM offers: pmi2 starts mpich, Intel MPI
# and Cray MPICH, pmix starts Open MPI. mpi4py loads the library named here (any MPI of its ABI).
# export SCIML_MPI=pmix
# export MPI4PY_LIBMPI=/opt/mpi/lib/libmpi.so

# The network of training, where the first interface found is not the fast one.
# export NCCL_SOCKET_IFNAME=ib0 GLOO_SOCKET_IFNAME=ib0

# A disk in each node: data sets are copied there before training, once a job.
# export SCIML_STAGE_DIR=/local/scratch/$USER

# How often a job is queued again, whatever the reason.
# export SCIML_MAX_RESTARTS=100
