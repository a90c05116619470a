"""Adapters: each solves the benchmark's problem with a named peer, as its users would."""
