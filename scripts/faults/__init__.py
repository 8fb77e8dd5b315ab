"""A fleet that is hurt in every way it must bear, while people use it; and whether all it acknowledged is there."""
