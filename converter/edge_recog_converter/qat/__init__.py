"""Training that knows it will be rounded to 8 bits, native to Keras 3.

    qat_model = fake_quantized(model, calibration)    # folded, rounding as the INT8 file will
    fit(qat_model, …)                                 # or any other loop
    tflite = convert_fake_quantized(qat_model)        # with the ranges and kernels it has learned

Jacob et al. 2018, Quantization and training of neural networks for efficient
integer-arithmetic-only inference, https://arxiv.org/abs/1712.05877.

Every network of `edge_recog_converter.architectures` has such a form; ten of them, one of each
family, were converted. The integers of a single operation are those that XNNPACK's kernels give,
but for softmax, hard swish (up to 2 % of the values were off by 1, depending on the scales) and
what lies within float32's precision of a tie (one value of a hundred thousand). TFLite's other
kernels differ in one of a thousand. Depth enlarges that. Steps of the logits between model and
file, at most and in the mean:

- random weights, 5 classes: LeNet-5 and AlexNet 0, ResNet-8 1, VGG-11, MobileNet and MobileNetV2 2
  (0.4 or less), EfficientNet-Lite0 3 (0.4), MobileNetV3-small 6 (1.8);
- EfficientNet-Lite0 as published, 60 pictures at 128x128: 6 (0.6). The two sets of kernels differ
  by 9 (0.8) from one another, and the model that rounds by 20 (2.3, root mean square) from float.
"""

from edge_recog_converter.qat.conversion import convert_fake_quantized
from edge_recog_converter.qat.inserting import fake_quantized
from edge_recog_converter.qat.ranges import FakeQuant, freeze_ranges

__all__ = ["FakeQuant", "convert_fake_quantized", "fake_quantized", "freeze_ranges"]
