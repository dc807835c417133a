"""What the live classifier needs around its pipeline: configuration, sinks, supervision."""
