"""Annotators and raters: what is known of a face, put into words."""
