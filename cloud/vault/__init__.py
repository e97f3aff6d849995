"""Everything stored is sealed: data keys of stations, their rotation, rows of ciphertext."""
