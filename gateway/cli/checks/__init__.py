"""What `gateway doctor` looks at: this machine, the listeners, and each platform step by step."""
