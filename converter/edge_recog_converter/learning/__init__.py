"""What a training run is made of: losses, schedules, optimizers, balance and augmentation.

`sections` and `augmentation.sections` say what a recipe may ask for and import no TensorFlow; the
other modules make the Keras object that a section describes.
"""
