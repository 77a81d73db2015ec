"""What the operator wrote: one file and the environment become one valid configuration, or every complaint."""
