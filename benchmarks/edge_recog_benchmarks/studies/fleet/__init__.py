"""A fleet in simulation: how a release spreads, what the server has to bear, how a bad one stops.

The decisions are those of the shipped code, called for every look of every device: `decide`,
`place_ppm` through it, `first_delay_s`, `next_delay_s`, `verdict`. The sizes of what is sent are
measured: a repository that was published, a real client, nginx. What is assumed stands in
`Assumptions`, and is written into the result.
"""
