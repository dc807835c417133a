"""The live page and the REST interface."""
