//! Receivers that hang, lie, hang up, come and go.
