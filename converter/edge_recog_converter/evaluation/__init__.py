"""How well a model does on labelled pictures: from scores to the figures of a report."""
