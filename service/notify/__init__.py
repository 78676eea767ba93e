"""Destinations get one event at a time, and each attempt has a result. Trackers' hooks never approve anything."""
