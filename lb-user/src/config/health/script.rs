//! The program of a script check.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::config::item::Item;
use crate::health::{CheckKind, ScriptCheck, User};

use super::keys::Keys;

pub(super) fn read(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let outer = if let CheckKind::Script(outer) = outer { Some(&**outer) } else { None };
    let command = keys.take("command");
    if command.is_none() && outer.is_none() {
        keys.refuse_missing("command", "add command = [\"/usr/local/bin/check\", \"{address}\"]");
    }
    let command = command.and_then(|item| argv(&item));
    let user = keys.take("user").and_then(|item| user(&item));
    CheckKind::Script(Arc::new(ScriptCheck {
        command: command.or_else(|| outer.map(|outer| outer.command.clone())).unwrap_or_default(),
        user: user.or_else(|| outer.and_then(|outer| outer.user.clone())),
        dynamic: keys.boolean("dynamic").unwrap_or(outer.is_some_and(|outer| outer.dynamic)),
        environment: Vec::new(),
    }))
}

fn argv(item: &Item<'_>) -> Option<Vec<String>> {
    let items = item.list();
    let words: Vec<String> = items.iter().filter_map(|item| item.string()).map(str::to_owned).collect();
    let (Some(program), Some(written)) = (words.first(), items.first()) else {
        item.refuse("names no program", "write [\"/usr/local/bin/check\", \"argument\"]");
        return None;
    };
    let refusal = match std::fs::metadata(program) {
        _ if !Path::new(program).is_absolute() => Some("is not an absolute path".to_owned()),
        Ok(file) if !file.is_file() => Some("is not a file".to_owned()),
        Ok(file) if file.permissions().mode() & 0o111 == 0 => Some("is not executable".to_owned()),
        Ok(_) => None,
        Err(error) => Some(format!("cannot be run: {error}")),
    };
    if let Some(refusal) = refusal {
        written
            .refuse(&format!("{} {refusal}", written.written()), "the first word is the program; no shell looks at it");
        return None;
    }
    Some(words)
}

/// Looked up once: a directory service that is slow must not hold up the probes.
fn user(item: &Item<'_>) -> Option<User> {
    let name = item.string()?;
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Some(User { name: name.to_owned(), uid: user.uid.as_raw(), gid: user.gid.as_raw() }),
        Ok(None) => {
            item.refuse(&format!("{} is not a user of this machine", item.written()), "`getent passwd` lists them");
            None
        }
        Err(error) => {
            item.refuse(&format!("{} cannot be looked up: {error}", item.written()), "");
            None
        }
    }
}
