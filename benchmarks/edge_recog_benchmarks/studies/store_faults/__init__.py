"""Faults drawn with a seed, done to a store of models: always one active, verified model.

`python -m edge_recog_benchmarks.studies.store_faults --out store-faults.json`. A store lives
through one fault after the other in a folder of real files: processes that install, activate, run,
commit and roll back are killed (SIGKILL) at the very call that changes a file, get ENOSPC or EIO
from it, or lose what was not yet synced to a power cut; files lose bits or their end; the clock
jumps; two change the store at once. After each one it is opened as the live classifier would.
"""
