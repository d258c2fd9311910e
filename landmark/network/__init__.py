"""What turns a photo into an embedding: backbone, losses, samplers, curriculum, training."""
