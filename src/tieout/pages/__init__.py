"""Pages to be looked at in a browser: one file each, without a script."""
