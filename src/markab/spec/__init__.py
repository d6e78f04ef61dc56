"""The documents a user writes: typed structs, reading with line numbers, checking, writing."""
