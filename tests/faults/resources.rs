//! What the process may have of the machine runs out.
