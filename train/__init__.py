"""facellm.train."""
