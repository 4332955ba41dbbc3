//! What the daemon says of files, for people and as JSON.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::api::{FlowShare, Generation, Report, Response};
use crate::generations::How;

/// As JSON: what was asked for, without the envelope.
pub(super) fn json(response: &Response) -> Result<String> {
    let mut value = serde_json::to_value(response)?;
    if let Some(answer) = value.as_object_mut() {
        answer.remove("answer");
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

/// For people.
pub(super) fn text(response: &Response) -> Result<String> {
    let mut out = String::new();
    match response {
        Response::Planned { report } if report.is_empty() => out.push_str("nothing would change\n"),
        Response::Planned { report } => write_report(&mut out, report)?,
        Response::Applied { report, generation } if report.is_empty() => {
            writeln!(out, "nothing to change; generation {generation} runs")?;
        }
        Response::Applied { report, generation } => {
            write_report(&mut out, report)?;
            writeln!(out, "applied; generation {generation} runs")?;
        }
        Response::Generations { generations } => write_generations(&mut out, generations)?,
        Response::Exported { text } => out.push_str(text),
        Response::Done
        | Response::Refused { .. }
        | Response::Services { .. }
        | Response::Connections { .. }
        | Response::ConnectionPart { .. }
        | Response::Timeouts { .. }
        | Response::Sysctls { .. }
        | Response::Status { .. }
        | Response::Drains { .. } => bail!("the daemon gave another answer: {response:?}"),
    }
    Ok(out)
}

fn write_report(out: &mut String, report: &Report) -> std::fmt::Result {
    let Report { changes, overruled, buckets, connections, templates, needs_restart } = report;
    for change in changes {
        writeln!(out, "{change}")?;
    }
    for change in overruled {
        writeln!(out, "! set by hand, and overruled by the file: {change}")?;
    }
    for change in needs_restart {
        writeln!(out, "! needs a restart, without which the file is not applied: {change}")?;
    }
    for share in buckets {
        let part = percent(share.moved.into(), share.of.into());
        let (moved, of) = (share.moved, share.of);
        writeln!(
            out,
            "{} {}: {moved} of {of} buckets ({part}) lead to another server",
            share.service, share.scheduler
        )?;
    }
    write_share(out, "connections", connections)?;
    write_share(out, "templates", templates)
}

fn write_share(out: &mut String, what: &str, share: &FlowShare) -> std::fmt::Result {
    let FlowShare { lost, moved, of } = *share;
    if lost > 0 {
        writeln!(out, "{what}: {lost} of {of} ({}) lose their server", percent(lost, of))?;
    }
    if moved > 0 {
        writeln!(out, "{what}: {moved} of {of} ({}) go to another server next", percent(moved, of))?;
    }
    Ok(())
}

fn percent(part: u64, of: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / of.max(1) as f64)
}

fn write_generations(out: &mut String, generations: &[Generation]) -> std::fmt::Result {
    writeln!(out, "GENERATION  APPLIED               BY        FILE")?;
    for generation in generations {
        let Generation { number, time, name, how, of, hash: _, file: _ } = generation;
        let of = of.map(|of| format!(" (that of generation {of})")).unwrap_or_default();
        writeln!(out, "{number:<11} {:<21} {:<9} {name}{of}", at(*time), word(*how))?;
    }
    Ok(())
}

/// `2026-03-01T12:00:00Z`
pub(super) fn at(time: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time)).to_string()
}

fn word(how: How) -> &'static str {
    match how {
        How::Start => "start",
        How::Apply => "apply",
        How::Reload => "reload",
        How::Rollback => "rollback",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{BucketShare, Change, Subject};

    #[test]
    fn a_report_says_what_changes_what_is_overruled_and_who_moves() {
        let change = |name: &str, before: Option<&str>, after: Option<&str>| Change {
            subject: Subject::Service,
            name: name.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let report = Report {
            changes: vec![change("A", None, Some("rr, 2 servers")), change("B", Some("rr"), Some("mh"))],
            overruled: vec![change("C", Some("wlc"), Some("sh"))],
            buckets: vec![BucketShare { service: "D".into(), scheduler: "mh".into(), moved: 1023, of: 4093 }],
            connections: FlowShare { lost: 5, moved: 0, of: 200 },
            templates: FlowShare::default(),
            needs_restart: Vec::new(),
        };
        let text = text(&Response::Applied { report: Box::new(report), generation: 7 }).expect("words");
        let expected = "+ service A: rr, 2 servers\n\
            ~ service B: rr -> mh\n\
            ! set by hand, and overruled by the file: ~ service C: wlc -> sh\n\
            D mh: 1023 of 4093 buckets (25.0 %) lead to another server\n\
            connections: 5 of 200 (2.5 %) lose their server\n\
            applied; generation 7 runs\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn generations_are_a_table() {
        let generation = Generation {
            number: 3,
            time: 1_772_366_400,
            name: "/etc/lvx.toml".into(),
            how: How::Rollback,
            of: Some(1),
            hash: String::new(),
            file: None,
        };
        let text = text(&Response::Generations { generations: vec![generation] }).expect("words");
        assert!(
            text.ends_with("\n3           2026-03-01T12:00:00Z  rollback  /etc/lvx.toml (that of generation 1)\n"),
            "{text}"
        );
    }
}
