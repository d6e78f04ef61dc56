"""What earlier runs made, and where its bytes still are: reuse of results by their content."""
