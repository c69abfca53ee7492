"""`hilum validate`: files to findings with their places, without a server and without a store."""
