"""Journal and metrics."""
