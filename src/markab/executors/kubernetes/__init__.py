"""Jobs on a Kubernetes cluster: its API takes them, and a volume that its pods mount has the files."""
