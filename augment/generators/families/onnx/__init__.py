"""ONNX graphs: judged as data, asked what their inputs and outputs mean, run by onnxruntime."""
