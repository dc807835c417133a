"""Latency, memory and accuracy of edge_recog models, measured side by side."""
