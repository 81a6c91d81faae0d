"""The plan of a study's runs, and carrying it out."""
