"""Replica, transformation and site catalogs in all their forms: finding, reading, querying and changing them."""
