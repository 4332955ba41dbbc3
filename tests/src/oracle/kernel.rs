//! Where kernels differ: what LVX is set to, to decide as the kernel of a recording did.

use lb_user::model::Sysctls;

/// The sysctls and switches of LVX for a kernel, by what `uname -rv` says of it.
pub fn sysctls(_kernel: &str) -> Sysctls {
    Sysctls::default()
}
