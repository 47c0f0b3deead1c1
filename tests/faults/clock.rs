//! The wall clock jumps: nothing dies, nothing is deleted early, nothing is sent twice.
