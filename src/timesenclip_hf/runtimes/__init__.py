"""Compute the pixel tower fast: folded in torch, or exported, quantised and run by ONNX Runtime or OpenVINO."""
