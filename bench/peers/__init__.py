"""What contact_monitor is compared with."""
