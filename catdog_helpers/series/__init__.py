"""Running the chapters. No module needs Keras: what trains does so in a chapter's own kernel.

==============  ==========================================================
chapters        which notebooks there are, and their parameters
execution       a chapter run by papermill, and whatever stops it
stored_outputs  the outputs that ``notebooks/`` stores
seeds           a run for each of several seeds, perhaps on several workers
handouts        pages for a class, with ``glossary``, ``plan`` and ``pdf``
students        what a student may see and work with
command_line    the options of ``runall.py``
==============  ==========================================================
"""
