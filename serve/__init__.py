"""Serving: the place of the vLLM plugin and the gateway; nothing is served yet."""
