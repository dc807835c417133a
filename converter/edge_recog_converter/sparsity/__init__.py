"""Magnitude pruning: small weights become zero, which makes a download smaller and nothing faster.

TFLite runs the same dense kernels over zeros; structured pruning (`pruning`) is what saves time.
"""
