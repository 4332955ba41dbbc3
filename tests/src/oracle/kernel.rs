//! Where kernels differ: what LVX is set to, to decide as the kernel of a recording did.

use lb_user::model::Sysctls;

/// The first release since which the whole of a server's connections is part of the cost of lc and wlc, and an upper
/// threshold that is lowered acts at once.
const NEWER: [u32; 3] = [6, 1, 183];

/// The sysctls and switches of LVX for a kernel, by what `uname -rv` says of it. One that is not known is a new one.
pub fn sysctls(kernel: &str) -> Sysctls {
    let older = release(kernel).is_some_and(|release| release < NEWER);
    Sysctls { classic_overhead: older, late_threshold: older, ..Sysctls::default() }
}

/// The release of a kernel. Debian's `uname -r` names only the series, as 6.1.0, and its `uname -v` the release.
fn release(kernel: &str) -> Option<[u32; 3]> {
    let number = |word: &str| {
        let numbers: Option<Vec<u32>> = word.split('-').next()?.split('.').map(|part| part.parse().ok()).collect();
        <[u32; 3]>::try_from(numbers?).ok()
    };
    kernel.split_whitespace().filter_map(number).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_found_in_what_uname_says() {
        let cloud = "6.1.0-50-cloud-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)";
        assert_eq!(release(cloud), Some([6, 1, 176]));
        assert_eq!(release("6.12.117"), Some([6, 12, 117]));
        assert_eq!(release(""), None);
        assert!(sysctls(cloud).classic_overhead && !sysctls("6.1.192-um").classic_overhead);
    }
}
