"""The names that scripts written for Pegasus WMS 5 import; everything behind them is Markab."""
