"""The trained operator: network, names, normalisation and coordinates, without a trainer."""
