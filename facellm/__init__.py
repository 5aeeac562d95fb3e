"""facellm core."""
