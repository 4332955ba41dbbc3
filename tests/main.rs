//! LVX' integration tests.
//!
//! | module | what belongs there |
//! |---|---|
//! | `replay` | recorded decisions of the real IPVS, each to be decided the same by LVX |
//! | `packets` | golden packets: what becomes of one frame, to the byte, and which counters move |

mod replay;
