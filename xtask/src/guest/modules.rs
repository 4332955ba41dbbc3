//! Kernel modules: which ones are needed for some, and in which order they can be loaded.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};

/// The paths of the modules that are `wanted` (by name) and of those that they need, each after what it needs.
///
/// `dependencies` is depmod's file `modules.dep`: a line a module, `PATH: PATH...`.
///
/// # Errors
/// A module is wanted that is not there.
pub(super) fn closure<'a>(dependencies: &'a str, wanted: &[&str]) -> Result<Vec<&'a str>> {
    let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
    let needs: HashMap<&str, &str> = lines.collect();
    let paths: HashMap<String, &str> = needs.keys().map(|path| (name(path), *path)).collect();
    let (mut order, mut seen) = (Vec::new(), HashSet::new());
    for module in wanted {
        let path = paths.get(*module).with_context(|| format!("the kernel has no module {module}"))?;
        visit(path, &needs, &mut seen, &mut order);
    }
    Ok(order)
}

fn visit<'a>(path: &'a str, needs: &HashMap<&'a str, &'a str>, seen: &mut HashSet<&'a str>, order: &mut Vec<&'a str>) {
    if !seen.insert(path) {
        return;
    }
    for other in needs.get(path).into_iter().flat_map(|others| others.split_whitespace()) {
        visit(other, needs, seen, order);
    }
    order.push(path);
}

/// The name of the module in a file: `kernel/net/ipv4/ip-vs_rr.ko.xz` is `ip_vs_rr`.
pub(super) fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::closure;

    const FILE: &str = "\
        net/ip_vs_rr.ko: net/ip_vs.ko net/nf_conntrack.ko lib/crc-ccitt.ko\n\
        net/ip_vs.ko: net/nf_conntrack.ko lib/crc-ccitt.ko\n\
        net/nf_conntrack.ko:\n\
        lib/crc-ccitt.ko.xz:\n\
        lib/crc-ccitt.ko:\n\
        drivers/veth.ko:\n";

    #[test]
    fn a_module_comes_after_what_it_needs_and_once() -> anyhow::Result<()> {
        let order = closure(FILE, &["veth", "ip_vs_rr", "ip_vs"])?;
        let expected =
            ["drivers/veth.ko", "net/nf_conntrack.ko", "lib/crc-ccitt.ko", "net/ip_vs.ko", "net/ip_vs_rr.ko"];
        assert_eq!(order, expected);
        Ok(())
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        let error = closure(FILE, &["veth", "ip_vs_twos"]).map_err(|error| error.to_string());
        assert_eq!(error, Err("the kernel has no module ip_vs_twos".to_owned()));
    }
}
