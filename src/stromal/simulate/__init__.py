"""Virtual participants: what happens in a marrow, day by day, whoever looks at it."""
