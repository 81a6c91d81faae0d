"""The MPI-parallel generator of PDE data sets; started as ``mpirun sciml generate``."""
