"""Foundation models for PDEs: data on disk, neural operators, their training and their transfer."""
