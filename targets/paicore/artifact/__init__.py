"""The folder of a build: words on disk, the vendor's JSON, the names of things."""
