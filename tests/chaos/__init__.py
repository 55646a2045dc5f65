"""A storm: many deletions of every kind, while everything that can go wrong at the provider does go wrong."""
