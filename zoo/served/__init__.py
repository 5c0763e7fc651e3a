"""The page on which trained networks are tried (extra `serve`)."""
