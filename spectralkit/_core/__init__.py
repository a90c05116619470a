"""The small pieces that every family shares."""
