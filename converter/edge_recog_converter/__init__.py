"""Offline: train, quantise and verify image classifiers for edge_recog."""
