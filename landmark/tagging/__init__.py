"""What users get: a photo collection's tags, kept up to date, and whether the collection drifts from what it was."""
