"""HTTP and SMTP to addresses from the settings, never to internal hosts. Several packages share it."""
