"""What has to be remembered: contracts first, memory behind them; uploads and results in `spool`."""
