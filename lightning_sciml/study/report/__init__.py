"""What came out of a study: curves, laws, figures, one page."""
