//! Keys of the whole file.

use std::collections::BTreeMap;

use super::lines::Key;
use crate::import::note::Notes;

/// What holds for services that do not say otherwise.
#[derive(Debug, Default)]
pub(super) struct Global {
    /// Seconds, counts and switches, by name.
    pub(super) numbers: BTreeMap<&'static str, u32>,
    pub(super) quiescent: bool,
    /// Children check the services, each at its own pace.
    pub(super) fork: bool,
    pub(super) fallback: Option<Key>,
    pub(super) fallback6: Option<Key>,
}

/// Keys with a number.
const NUMBERS: [&str; 5] = ["checktimeout", "negotiatetimeout", "checkinterval", "checkcount", "failurecount"];

/// Keys that the whole file may have besides.
const OTHERS: [&str; 20] = [
    "autoreload",
    "callback",
    "cleanstop",
    "emailalert",
    "emailalertfrom",
    "emailalertfreq",
    "emailalertstatus",
    "execute",
    "fallback",
    "fallback6",
    "fallbackcommand",
    "fork",
    "logfile",
    "maintenancedir",
    "quiescent",
    "readdquiescent",
    "smtp",
    "supervised",
    "timeout",
    "connecttimeout",
];

/// Whether ldirectord has such a key.
pub(in crate::import) fn is_global(name: &str) -> bool {
    NUMBERS.contains(&name) || OTHERS.contains(&name)
}

/// The name of a key with a number.
pub(super) fn number_name(name: &str) -> Option<&'static str> {
    NUMBERS.into_iter().find(|known| *known == name)
}

impl Global {
    pub(super) fn take(&mut self, key: &Key, notes: &mut Notes) {
        if let Some(name) = number_name(&key.name) {
            self.numbers.extend(key.number(notes).map(|number| (name, number)));
            if name == "checkcount" {
                notes.remark(&key.place, format!("{}: counts for pings only", key.shown()));
            }
            return;
        }
        match key.name.as_str() {
            "quiescent" => self.quiescent = key.flag(notes).unwrap_or(false),
            "fork" => {
                self.fork = key.flag(notes).unwrap_or(false);
                notes.remark(&key.place, format!("{}: LVX checks all servers by themselves", key.shown()));
            }
            "fallback" => self.fallback = Some(key.clone()),
            "fallback6" => self.fallback6 = Some(key.clone()),
            _other => has_no_equal(key, notes),
        }
    }
}

/// A key without an equal, by name. The same ones are allowed in a virtual service.
pub(super) fn has_no_equal(key: &Key, notes: &mut Notes) {
    let why = match key.name.as_str() {
        "autoreload" => "LVX reads its file again when told so: lvx reload",
        "callback" => "LVX calls nothing when its file changes",
        "emailalert" | "emailalertfrom" | "emailalertfreq" | "emailalertstatus" | "smtp" => {
            "LVX sends no mail; a command or a webhook of [notify] can"
        }
        "logfile" | "monitorfile" => "LVX logs to standard error, which systemd's journal keeps",
        "execute" => "import that configuration too, into one file",
        "supervised" => "LVX always stays in the foreground",
        "fallbackcommand" => "LVX runs one command, which is told what happened; write [service.notify]",
        "readdquiescent" => "LVX does not put back what was removed by hand",
        "cleanstop" => "when LVX stops, it forwards nothing; what was set by hand is kept",
        "maintenancedir" => "no files: lvx drain takes a server out",
        "load" => "LVX measures no load of servers",
        "timeout" | "connecttimeout" => "ldirectord itself refuses it",
        _unknown => "unknown to ldirectord and LVX; left out",
    };
    notes.warn(&key.place, format!("{}: {why}", key.shown()));
}
