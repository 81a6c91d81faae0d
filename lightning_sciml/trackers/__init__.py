"""Show a run in TensorBoard, tables, Weights & Biases and MLflow: one interface for all loggers."""
