"""Image files on disk. No module imports anything from the package but its root and this room.

========  ================================================================
paths     paths and counts in messages, the cache folder, the atomic write
locks     one owner at a time for a folder
images    types of files by their first bytes; the decoder
archives  zip archives: verified, and unpacked safely
layouts   which files of a folder are images, of which class and split
checks    a report on all images of a folder or archive
download  an archive from the web or a local copy, verified
========  ================================================================
"""
