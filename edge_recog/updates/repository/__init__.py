"""The publisher's files on a web server: looked at and fetched in a process of its own."""
