"""HTTP to addresses from the settings, never to internal hosts. Deliveries, log anchoring and settings share it."""
