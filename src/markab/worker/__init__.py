"""What runs on a node around one attempt. Standard library only, Python 3.6 syntax."""
