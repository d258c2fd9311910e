"""Where photos come from: catalogs, decoding, duplicates, splits, the generated sample."""
