"""Device profiles, flashing and updates for edge_recog."""
