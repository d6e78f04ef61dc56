"""Jobs on AWS Batch: its API takes them, and a file system that their containers mount has the files."""
