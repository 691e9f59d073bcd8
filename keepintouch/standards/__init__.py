"""What contact standards mean: the pure engine. No I/O but reading policy files, no clock, no globals; `today` is an argument."""
