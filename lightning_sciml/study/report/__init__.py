"""Report a study: curves, laws, figures, one page."""
