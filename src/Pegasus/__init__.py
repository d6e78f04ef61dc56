"""The modules that scripts written for Pegasus WMS 5 import; they are implemented by Markab."""
