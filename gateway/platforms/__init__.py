"""One folder per vendor: pure translation between the domain's words and the vendor's. No I/O here."""
