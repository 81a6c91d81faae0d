"""The neural operator: network, names, normalisation and coordinates, without a trainer."""
