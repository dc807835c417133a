"""Structured pruning: channels taken out of a Keras model, so that a smaller plain one is left.

    from edge_recog_converter.pruning.shrinking import pruned

    smaller, summary = pruned(model, keep=0.5)

Bottom up: `units`, `channels` (which weights belong to which channels; numpy only), `rules` (what
each layer does to channels), `tracing`, then `scores`, `choosing` (numpy only), `cutting`,
`silencing` (the proof of a cut), `costs`, `budgets`, and `shrinking`, which calls them in order.
To a measured latency: `sections` (the recipe's words), `latency` (timing side by side), `searching`
(which share to measure next; pure) and `iterating`.
"""
