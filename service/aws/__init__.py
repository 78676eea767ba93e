"""AWS: botocore in, Outcome out. Nothing botocore-shaped leaves this package."""
