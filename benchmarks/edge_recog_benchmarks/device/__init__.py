"""What runs on the measured device: needs numpy and the runtime, nothing else.

This package travels to a device that has only the runtime installed, so it imports nothing of
`edge_recog_benchmarks` outside itself.
"""
