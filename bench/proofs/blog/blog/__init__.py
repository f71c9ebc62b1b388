"""A blog, as an application of Django."""
