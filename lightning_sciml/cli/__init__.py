"""The program `sciml`: a dispatcher, and a parser for each verb."""
