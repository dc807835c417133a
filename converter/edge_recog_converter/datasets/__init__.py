"""Pictures with labels, in splits, from folders, manifests, IDX and NPZ files."""

from edge_recog_converter.datasets.finding import find_dataset
from edge_recog_converter.datasets.labelled import (
    SPLITS,
    ArrayPicture,
    Dataset,
    Picture,
    Split,
    Task,
    digest_of,
    picture_digests,
    targets_of,
)
from edge_recog_converter.datasets.leaking import Leakage, leakage, refuse_leakage
from edge_recog_converter.datasets.listing import splits_csv, write_splits

__all__ = [
    "SPLITS",
    "ArrayPicture",
    "Dataset",
    "Leakage",
    "Picture",
    "Split",
    "Task",
    "digest_of",
    "find_dataset",
    "leakage",
    "picture_digests",
    "refuse_leakage",
    "splits_csv",
    "targets_of",
    "write_splits",
]
