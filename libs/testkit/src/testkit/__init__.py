"""pytest plugin: infrastructure, clock, sinks, builders. Never shipped."""
