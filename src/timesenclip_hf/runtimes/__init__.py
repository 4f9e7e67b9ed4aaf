"""The pixel tower in ONNX Runtime and OpenVINO: exported, quantised, run."""
