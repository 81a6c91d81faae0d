"""Export trained operators as graphs that run without this library: ONNX and torch.export."""
