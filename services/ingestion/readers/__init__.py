"""Statement readers: a file's bytes in, columnar rows and row errors out. Pure: no network, no database, no clock but the caller's."""
