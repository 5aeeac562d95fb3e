"""facellm.instruct_data."""
