"""Two schemas compared: read from a database, a dump, Rails, SQLAlchemy or a reference, and paired part by part."""
