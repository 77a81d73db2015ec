"""What the operator wrote: one file and the environment become one immutable, valid configuration, or every complaint."""
