"""Near duplicates across sets and splits, and the audit of labels."""
