"""What is measured side by side, and its committed results, named by machine."""
