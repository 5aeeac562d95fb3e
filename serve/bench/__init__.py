"""What serving costs here; see ``command``."""
