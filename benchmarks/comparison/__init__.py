"""The comparison of training methods on equal data; run by `landmark bench losses CONFIG`."""
