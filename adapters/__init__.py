"""Everything that touches a foreign library or protocol."""
