"""What a fit expects of rows, and how it changes with them."""
