//! More than can be done at once: bursts, floods and long backlogs.
