"""HTTP to where settings say, and to nowhere inside. Deliveries, log anchoring and settings share it."""
