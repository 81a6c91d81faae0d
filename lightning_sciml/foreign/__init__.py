"""Arrays and data sets of others: their layouts, and their conversion to a data set."""
