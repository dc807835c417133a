"""Random changes to training pictures, so that a network learns to ignore them.

`sections` is what a recipe may ask for; `augmenter.augmenter_of` makes the function of it.
"""
