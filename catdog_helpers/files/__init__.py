"""Image files on disk: paths, decoding, layouts of folders, checks, archives, downloads."""
