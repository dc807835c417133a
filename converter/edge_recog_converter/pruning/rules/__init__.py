"""What each kind of layer does to the channels of its inputs, by kind.

Every rule takes the recorder, the call and the units of the inputs' last axes, and returns those of
the output's last axis, or `Fixed` where the channels cannot be told apart. Keeping channels is safe
whatever a layer does; removing them needs a rule.
"""
