"""How good an INT8 file must be, and what is tried until one is.

    accept = { max_drop = 0.5, min_agreement = 0.97, confidence = 0.95 }

`sections` has the recipe's words, `judging` the statistics, `converters` who writes the files,
`rungs` the ways to quantise from the cheapest on, `ladder` climbs them. The first file that passes
on the validation pictures is taken. Importing this, `sections` or `judging` loads no TensorFlow.
"""
