"""Weights that were learned elsewhere."""
