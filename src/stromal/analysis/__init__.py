"""How large it is: one file a method."""
