"""Networks, as Keras models."""
