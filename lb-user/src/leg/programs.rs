//! The classifiers around the leg, and their maps.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, Result, anyhow};
use aya::maps::{HashMap, MapData};
use aya::programs::links::LinkOrder;
use aya::programs::tc::{
    self, NlOptions, SchedClassifier, SchedClassifierLinkId, TcAttachOptions, TcAttachType, TcError,
};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};
use lb_common::leg::{Reply, Way, maps};

use super::build::INNER;
use super::namespace::Namespace;
use crate::dataplane::{Sizes, take};

/// The programs' object file.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lvx-leg"));

/// On the inner end, on the outer end, and on interfaces.
const PROGRAMS: [&str; 3] = ["number", "send", REPLY];

const REPLY: &str = "lvx_reply";

/// [`Way`] as aya takes it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct WayValue(Way);

// SAFETY: four words without padding (asserted in lb-common).
unsafe impl aya::Pod for WayValue {}

/// [`Reply`] as aya takes it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct ReplyKey(Reply);

// SAFETY: eight words without padding (asserted in lb-common).
unsafe impl aya::Pod for ReplyKey {}

/// The loaded programs.
pub(super) struct Programs {
    ebpf: Ebpf,
    ways: HashMap<MapData, u32, WayValue>,
    replies: HashMap<MapData, ReplyKey, u32>,
    /// Where replies are taken from, by index.
    interfaces: BTreeMap<u32, SchedClassifierLinkId>,
}

impl Programs {
    /// Loads them and attaches those at both ends of the leg.
    pub(super) fn load(sizes: Sizes, namespace: &Namespace, outer: u32) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(maps::WAYS, sizes.real_slots());
        // A service's VIP, and the director's addresses in the networks of the real servers.
        loader.map_max_entries(maps::REPLIES, sizes.services.saturating_mul(4));
        let mut ebpf = loader.load(OBJECT).context("cannot make the maps of VIP checks")?;
        for name in PROGRAMS {
            let program = program(&mut ebpf, name)?;
            program.load().with_context(|| format!("the kernel refuses the program `{name}`"))?;
        }
        let ways = HashMap::try_from(take(&mut ebpf, maps::WAYS)?)?;
        let replies = HashMap::try_from(take(&mut ebpf, maps::REPLIES)?)?;
        let mut programs = Self { ebpf, ways, replies, interfaces: BTreeMap::new() };
        namespace.enter(|| programs.put("number", INNER, TcAttachType::Egress))??;
        programs.put("send", &name(outer)?, TcAttachType::Ingress)?;
        Ok(programs)
    }

    /// The way to the server of this number.
    pub(super) fn set_way(&mut self, number: u32, way: Way) -> Result<()> {
        Ok(self.ways.insert(number, WayValue(way), 0)?)
    }

    /// That number is not in use any more.
    pub(super) fn remove_way(&mut self, number: u32) -> Result<()> {
        Ok(self.ways.remove(&number)?)
    }

    /// Packets like this go to the leg, whose outer end is given; or do not any more.
    pub(super) fn set_reply(&mut self, reply: Reply, outer: Option<u32>) -> Result<()> {
        match outer {
            Some(outer) => Ok(self.replies.insert(ReplyKey(reply), outer, 0)?),
            None => Ok(self.replies.remove(&ReplyKey(reply))?),
        }
    }

    /// Takes replies from this interface.
    pub(super) fn attach(&mut self, index: u32, interface: &str) -> Result<()> {
        if self.interfaces.contains_key(&index) {
            return Ok(());
        }
        let link = self.put(REPLY, interface, TcAttachType::Ingress)?;
        self.interfaces.insert(index, link);
        Ok(())
    }

    /// That interface is gone, and what was on it.
    pub(super) fn forget(&mut self, index: u32) {
        self.interfaces.remove(&index);
    }

    /// In front of the programs of others, which might let nobody after them see the packet.
    fn put(&mut self, name: &str, interface: &str, to: TcAttachType) -> Result<SchedClassifierLinkId> {
        let cannot = || format!("cannot attach the program `{name}` to {interface}");
        let options = if has_tcx() {
            TcAttachOptions::TcxOrder(LinkOrder::first())
        } else {
            make_qdisc(interface).with_context(cannot)?;
            remove_old(interface, to, name).with_context(cannot)?;
            TcAttachOptions::Netlink(NlOptions::default())
        };
        program(&mut self.ebpf, name)?.attach_with_options(interface, to, options).with_context(cannot)
    }
}

impl Drop for Programs {
    /// Links of tcx go with their descriptors; what was attached by netlink stays until somebody removes it.
    fn drop(&mut self) {
        for (index, link) in std::mem::take(&mut self.interfaces) {
            let detached = program(&mut self.ebpf, REPLY).and_then(|program| Ok(program.detach(link)?));
            if let Err(error) = detached {
                tracing::warn!(interface = index, "cannot detach the program of VIP checks: {error:#}");
            }
        }
    }
}

/// Linux 6.6 has attachment by links, which need no qdisc.
fn has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}

/// Makes sure that an interface has `clsact`. It stays there, empty, when LVX has gone: others may use it by then.
fn make_qdisc(interface: &str) -> Result<(), TcError> {
    match tc::qdisc_add_clsact(interface) {
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        made => made,
    }
}

/// Removes what a process left that was killed.
fn remove_old(interface: &str, to: TcAttachType, name: &str) -> Result<(), TcError> {
    match tc::qdisc_detach_program(interface, to, name) {
        Err(TcError::IoError(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program `{name}`"))?;
    Ok(program.try_into()?)
}

/// The name of an interface of the calling thread's namespace.
fn name(index: u32) -> io::Result<String> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call asks for.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return Err(io::Error::last_os_error());
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}
