"""The words everybody speaks: values only, no I/O, nothing above them imported."""
