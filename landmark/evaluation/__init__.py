"""How good a recognizer is: open-set figures, leave-landmarks-out, plots, report."""
