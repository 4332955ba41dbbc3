//! The packet program in the kernel: loading, attaching, sweeping.

use std::io;
use std::ops::Range;

use anyhow::{Context as _, Result, anyhow, bail};
use aya::maps::xdp::DevMapHash;
use aya::maps::{MapData, PerCpuArray};
use aya::programs::links::FdLink;
use aya::programs::xdp::{XdpLinkId, XdpMode};
use aya::programs::{ProgramError, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_common::reason::Reason;
use lb_common::schedule::{Kind, hash, locality};
use lb_common::sweep::Sweep;
use lb_common::table::{self, WAYS};
use lb_common::{maps, sweep};
use serde::{Deserialize, Serialize};

use crate::packet_trace::Trace;
use crate::tables::kernel::KernelMaps;
use crate::tables::maps::FlowTable;

/// The packet program's object file.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lvx-xdp"));

/// Interfaces are told by index; the kernel counts them up for as long as it runs.
const INTERFACES: u32 = 65_536;

/// Buckets that one run of the sweep program looks at: about a tenth of a millisecond.
const SWEEP_PIECE: u32 = 2_048;

/// How many entries the tables are made for. Fixed when the program is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Connections.
    pub connections: u32,
    /// Persistence templates.
    pub templates: u32,
    /// Virtual services.
    pub services: u32,
    /// Real servers, all services together.
    pub real_servers: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { connections: 1_048_576, templates: 262_144, services: 4_096, real_servers: 65_536 }
    }
}

impl Sizes {
    /// Words of the pools: every server in a pool, the words of the blocks of large ones, each pool's header, and as much
    /// again for pools that change; then the tables of schedulers that hash, and room for those that change.
    pub fn pool_words(&self) -> u32 {
        let members = self.real_slots().saturating_add(self.real_slots() / 16);
        let members = members.saturating_add(self.services.saturating_mul(4)).saturating_mul(3);
        let changing = self.services.saturating_mul(hash::words(Kind::Sh)).saturating_add(hash::words(Kind::Mh));
        members.saturating_add(self.hash_words()).saturating_add(changing)
    }

    /// Words that the tables of sh, dh and mh may take: one of sh or dh for each service, and for 512 services one of mh.
    pub fn hash_words(&self) -> u32 {
        let maglev = self.services.min(512).saturating_mul(hash::words(Kind::Mh));
        self.services.saturating_mul(hash::words(Kind::Sh)).saturating_add(maglev)
    }

    /// Cells of lblc's and lblcr's tables: one for each destination, and one for each of its servers with lblcr.
    pub fn cells(&self) -> u32 {
        self.connections.clamp(1024, locality::MOST_CELLS)
    }

    /// Real server slots: also for those that were removed and still have connections.
    pub fn real_slots(&self) -> u32 {
        self.real_servers.saturating_add(self.real_servers / 4).saturating_add(64)
    }
}

/// How the program sits on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the driver, before the kernel makes a packet of the frame.
    #[default]
    Native,
    /// In the kernel's stack: for interfaces whose driver knows no XDP; slower.
    Generic,
}

impl Mode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }

    fn xdp(self) -> XdpMode {
        match self {
            Self::Native => XdpMode::Driver,
            Self::Generic => XdpMode::Skb,
        }
    }
}

/// The loaded programs.
pub struct DataPlane {
    ebpf: Ebpf,
    sizes: Sizes,
    reasons: PerCpuArray<MapData, u64>,
    devices: DevMapHash<MapData>,
}

/// What a sweep removes besides what expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// Flows whose real server was removed.
    pub homeless: bool,
    /// What `drop_entry` drops, in the buckets that this lot draws; 0 draws none.
    pub lot: u32,
}

/// What a frame came out as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The XDP action.
    pub action: u32,
    /// The frame.
    pub frame: Vec<u8>,
}

impl DataPlane {
    /// Loads the programs with tables of these sizes; gives the tables too. `seed` keys the flow hash; with `trace` each
    /// packet that is not forwarded leaves a line for [`Self::trace`].
    ///
    /// # Errors
    /// The kernel lacks something, or memory, or the caller lacks the right to load programs.
    pub fn load(sizes: Sizes, seed: u64, trace: bool) -> Result<(Self, KernelMaps)> {
        let cpus = u32::try_from(aya::util::nr_cpus().map_err(|(_, error)| error)?)?;
        let hz = crate::clock::hz()?;
        let conn_buckets = table::buckets(sizes.connections);
        let template_buckets = table::buckets(sizes.templates);
        let mut loader = EbpfLoader::new();
        for (name, entries) in [
            (maps::INTERFACES, INTERFACES),
            (maps::SERVICE_KEYS, sizes.services),
            (maps::SERVICES, sizes.services),
            (maps::SERVICE_STATS, sizes.services * cpus),
            (maps::POOLS, sizes.pool_words()),
            (maps::CELLS, sizes.cells()),
            (maps::ENTRY_KEYS, sizes.cells() / 2),
            (maps::REALS, sizes.real_slots()),
            (maps::REAL_COUNTS, sizes.real_slots()),
            (maps::REAL_STATS, sizes.real_slots() * cpus),
            (maps::HANDSHAKES, sizes.real_slots() * cpus),
            (maps::CONN_TAGS, conn_buckets),
            (maps::CONNS, conn_buckets * WAYS),
            (maps::TEMPLATE_TAGS, template_buckets),
            (maps::TEMPLATES, template_buckets * WAYS),
        ] {
            loader.map_max_entries(name, entries);
        }
        let (conn_mask, template_mask, reals) = (conn_buckets - 1, template_buckets - 1, sizes.real_slots());
        let trace = u8::from(trace);
        loader
            .override_global("TRACE", &trace, true)
            .override_global("HZ", &hz, true)
            .override_global("SEED", &seed, true)
            .override_global("CONN_MASK", &conn_mask, true)
            .override_global("TEMPLATE_MASK", &template_mask, true)
            .override_global("SERVICES_MAX", &sizes.services, true)
            .override_global("REALS_MAX", &reals, true);
        let mut ebpf = loader
            .load(OBJECT)
            .context("cannot make the maps; this needs root (CAP_BPF, CAP_NET_ADMIN), and memory for `[sizes]`")?;
        for name in ["lvx", "sweep"] {
            program(&mut ebpf, name)?.load().with_context(|| {
                format!("the kernel refuses the program `{name}`; LVX needs Linux 6.1 or later on x86-64")
            })?;
        }
        let tables = KernelMaps::open(&mut ebpf, sizes, cpus, hz)?;
        let reasons = PerCpuArray::try_from(take(&mut ebpf, maps::REASONS)?)?;
        let devices = DevMapHash::try_from(take(&mut ebpf, maps::DEVICES)?)?;
        Ok((Self { ebpf, sizes, reasons, devices }, tables))
    }

    /// The lines of packets that were not forwarded; once, and only if loaded with `trace`.
    ///
    /// # Errors
    /// They were taken before.
    pub fn trace(&mut self) -> Result<Trace> {
        Trace::open(&mut self.ebpf)
    }

    /// Attaches the balancing program to an interface. Never falls back to another mode.
    ///
    /// # Errors
    /// The interface or its driver refuses.
    pub fn attach(&mut self, interface: &str, mode: Mode) -> Result<Attachment> {
        let program = program(&mut self.ebpf, "lvx")?;
        let id = program.attach(interface, mode.xdp()).map_err(|error| {
            let advice = match (is_held(&error), mode) {
                (true, _) => {
                    format!("; another XDP program is on {interface} (`ip link show {interface}`), perhaps another lvx")
                }
                (false, Mode::Native) => "; `--xdp-mode generic` works with any driver, slower".to_owned(),
                (false, Mode::Generic) => String::new(),
            };
            anyhow::Error::new(error).context(format!("cannot attach to {interface} in {} mode{advice}", mode.name()))
        })?;
        link(program, id).with_context(|| format!("cannot hold on to {interface}"))
    }

    /// Lets packets be redirected out of an interface.
    ///
    /// # Errors
    /// The kernel does not know the interface.
    pub fn allow_egress(&mut self, ifindex: u32) -> io::Result<()> {
        self.devices.insert(ifindex, ifindex, None, 0).map_err(io::Error::other)
    }

    /// How often packets were not forwarded, by [`Reason`].
    ///
    /// # Errors
    /// The kernel refused the reading.
    pub fn reasons(&self) -> Result<Vec<(Reason, u64)>> {
        let counter = |reason: &Reason| -> Result<(Reason, u64)> {
            Ok((*reason, self.reasons.get(&(*reason as u32), 0)?.iter().sum()))
        };
        Reason::ALL.iter().map(counter).collect()
    }

    /// Removes what expired from a table, and what `early` names; gives the number of live flows and the kernel's jiffies.
    ///
    /// # Errors
    /// The kernel refused to run the program.
    pub fn sweep(&mut self, table: FlowTable, early: Early) -> Result<(u64, u64)> {
        let entries = match table {
            FlowTable::Connections => self.sizes.connections,
            FlowTable::Templates => self.sizes.templates,
        };
        let buckets = table::buckets(entries);
        let (mut live, mut first, mut now) = (0, 0, 0);
        while first < buckets {
            let piece = SWEEP_PIECE.min(buckets - first);
            let order = Sweep {
                table: sweep_number(table),
                first,
                buckets: piece,
                homeless: early.homeless.into(),
                lot: early.lot,
                ..Sweep::default()
            };
            let done = self.sweep_piece(order)?;
            live += u64::from(done.live);
            now = done.now;
            first += piece;
        }
        Ok((live, now))
    }

    /// As [`Self::sweep`] for some buckets; gives the kernel's jiffies.
    ///
    /// # Errors
    /// As [`Self::sweep`].
    pub fn sweep_buckets(&mut self, table: FlowTable, buckets: Range<u32>, early: Early) -> Result<u64> {
        let Early { homeless, lot } = early;
        let (first, count) = (buckets.start, buckets.end.saturating_sub(buckets.start));
        let order = Sweep {
            table: sweep_number(table),
            first,
            buckets: count.min(SWEEP_PIECE),
            homeless: homeless.into(),
            lot,
            ..Sweep::default()
        };
        Ok(self.sweep_piece(order)?.now)
    }

    /// The kernel's jiffies.
    ///
    /// # Errors
    /// The kernel refused to run the program.
    pub fn now(&mut self) -> Result<u64> {
        Ok(self.sweep_piece(Sweep::default())?.now)
    }

    fn sweep_piece(&mut self, order: Sweep) -> Result<Sweep> {
        let Sweep { table, first, buckets, homeless, lot, .. } = order;
        let mut frame = [0u8; 64];
        for (to, word) in frame.chunks_exact_mut(4).zip([table, first, buckets, homeless, lot]) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let program = program(&mut self.ebpf, "sweep")?;
        let outcome = run(program, &frame, None)?;
        let word = |at: usize| -> Result<u32> {
            let bytes = outcome.frame.get(at * 4..at * 4 + 4).context("the sweep program gave a short answer")?;
            Ok(u32::from_ne_bytes(bytes.try_into()?))
        };
        if word(7)? != 1 {
            bail!("the sweep program did not run (action {})", outcome.action);
        }
        let now = u64::from(word(8)?) | u64::from(word(9)?) << 32;
        Ok(Sweep { expired: word(5)?, live: word(6)?, done: 1, now, ..order })
    }

    /// Runs the balancing program on a frame that came in by `ifindex`, without a network (`BPF_PROG_TEST_RUN`).
    ///
    /// # Errors
    /// The kernel refused to run the program, for example because it does not know the interface.
    pub fn try_frame(&mut self, frame: &[u8], ifindex: u32) -> Result<Outcome> {
        run(program(&mut self.ebpf, "lvx")?, frame, Some(ifindex))
    }
}

/// What the sweep program calls a table.
fn sweep_number(table: FlowTable) -> u32 {
    match table {
        FlowTable::Connections => sweep::CONNECTIONS,
        FlowTable::Templates => sweep::TEMPLATES,
    }
}

/// A program on an interface. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    _link: FdLink,
}

/// Whether another program has the interface.
fn is_held(error: &ProgramError) -> bool {
    matches!(error, ProgramError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::EBUSY))
}

fn link(program: &mut Xdp, id: XdpLinkId) -> Result<Attachment> {
    let link = program.take_link(id)?;
    // Where the kernel refuses a link, aya attaches by netlink, which outlives the process: never silently.
    let link = FdLink::try_from(link).context("the kernel gave no link")?;
    Ok(Attachment { _link: link })
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name).ok_or_else(|| anyhow!("the object has no program `{name}`"))?;
    Ok(program.try_into()?)
}

/// Takes a map out of the object.
pub(crate) fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    ebpf.take_map(name).ok_or_else(|| anyhow!("the object has no map `{name}`"))
}

fn run(program: &Xdp, frame: &[u8], ifindex: Option<u32>) -> Result<Outcome> {
    let mut out = vec![0u8; frame.len() + 256];
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let length = u32::try_from(frame.len())?;
    let context: Vec<u8> = [0, length, 0, ifindex.unwrap_or(0), 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ctx_in: ifindex.is_some().then_some(&context),
            ..TestRunOptions::new()
        })
        .context("cannot run the program on a frame")?;
    out.truncate(result.data_size_out as usize);
    Ok(Outcome { action: result.return_value, frame: out })
}
