"""Faults drawn with a seed, done to real `edge-recog run` processes: told, survived, over in time.

`python -m edge_recog_benchmarks.studies.faults --out faults.json`. Several lanes run side by side,
each a camera (HTTP or RTSP), a broker (mosquitto) and the live classifier. Every picture carries
its number, and the model's answer is the picture itself: each answer tells what it was made of.
"""
