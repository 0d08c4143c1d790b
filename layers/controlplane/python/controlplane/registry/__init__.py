"""Models, their immutable versions, and the uploads that versions are made of."""
