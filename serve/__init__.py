"""facellm.serve."""
