"""Jobs on an HTCondor pool: its own file transfer carries them, its log of events says what becomes of them."""
