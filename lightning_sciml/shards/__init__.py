"""The data set on disk: sharded HDF5 with a manifest; written whole, read without copies."""
