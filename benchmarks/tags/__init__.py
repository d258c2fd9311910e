"""Parts of `landmark bench tagging`."""
