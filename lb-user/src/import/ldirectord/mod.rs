//! ldirectord.cf, by the rules of ldirectord 4.12.

mod check;
mod endpoint;
mod global;
mod lines;
mod server;
mod service;

use super::Source;
use super::draft::Draft;
use crate::ipvsadm::Names;

pub(super) use global::is_global;

/// Reads the file.
pub(super) fn read(source: &Source, names: &dyn Names, draft: &mut Draft) {
    let sections = lines::sections(source, &mut draft.notes);
    let mut global = global::Global::default();
    sections.global.iter().for_each(|key| global.take(key, &mut draft.notes));
    for section in &sections.services {
        service::read(section, &global, names, draft);
    }
}
