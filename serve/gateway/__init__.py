"""The gateway: OpenAI's API over an engine, with limits, keys, policy and metrics."""
