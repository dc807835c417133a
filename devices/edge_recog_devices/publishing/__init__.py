"""Publishing releases as signed static files (The Update Framework), and stopping bad ones.

The devices' half, and what is signed about a release, is `edge_recog.updates`.
"""
