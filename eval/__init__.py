"""facellm.eval."""
