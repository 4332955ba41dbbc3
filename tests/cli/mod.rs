//! The command line and the daemon behind it, as an operator meets them.
