"""Errors of predictions, and the files and figures that hold them."""
