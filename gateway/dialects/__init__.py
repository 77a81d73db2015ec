"""What clients speak. Pure: text and blobs in, domain values out, and back."""
