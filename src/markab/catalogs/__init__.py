"""Replica, transformation and site catalogs in all their forms: found, read, asked, edited."""
