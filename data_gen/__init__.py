"""The MPI-parallel generator of PDE data sets; started as ``mpirun python data_gen/solve.py``."""
