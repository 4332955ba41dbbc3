//! LVX' integration tests.
//!
//! | module | what belongs there |
//! |---|---|
//! | `packets` | golden packets: what becomes of one frame, to the byte, and which counters move |
//! | `replay` | recorded decisions of the real IPVS, each to be decided the same by LVX |
//! | `live` | random cases, to the real IPVS in a guest kernel and to LVX |
//! | `network` | a running `lvx` between real clients and servers, in network namespaces |
//! | `cli` | the command line, as an operator types it |
//! | `kernels` | the release on the oldest kernel that it is for, in QEMU |
//! | `guest` | the real IPVS in a guest kernel: that it can be asked |

mod cli;
mod guest;
mod kernels;
mod live;
mod network;
mod packets;
mod replay;
