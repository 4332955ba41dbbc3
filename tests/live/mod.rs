//! Random cases, to the real IPVS in a guest kernel and to LVX: every decision, text and table must be equal.

mod finds;
