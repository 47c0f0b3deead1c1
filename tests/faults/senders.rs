//! Senders that are slow, rude, or say the same thing twice.
