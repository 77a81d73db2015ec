"""Pictures as bytes: format, size and completeness from their headers, without decoding."""
