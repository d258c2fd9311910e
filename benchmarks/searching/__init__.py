"""What `landmark bench search` is made of."""
