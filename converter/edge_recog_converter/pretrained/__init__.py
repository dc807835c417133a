"""Weights learned elsewhere, read without the framework that saved them."""
