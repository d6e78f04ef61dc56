"""Converting catalogs from one form into another."""

from markab.catalogs.conversion import convert_catalog as convert_catalog
