"""What turns an embedding into a landmark: centroids, index, calibration, metadata, Recognizer."""
