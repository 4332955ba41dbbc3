use super::*;
use crate::api::Refusal;
use crate::model::{Netmask, Protocol, SchedulerFlags, SchedulerKind, Service, ServiceId, Timeouts};

fn service(port: u16) -> Service {
    let id = ServiceId::Address { protocol: Protocol::Tcp, vip: [10, 0, 0, 1].into(), port };
    Service {
        id,
        scheduler: SchedulerKind::Rr,
        persistence: None,
        netmask: Netmask::host(id.family()),
        one_packet: false,
        scheduler_flags: SchedulerFlags::default(),
        servers: Vec::new(),
    }
}

/// What the file of a directory leads to, and how it is rewritten.
fn changes(directory: &Path, base: &Model) -> Vec<Request> {
    plan(base, &Record::read(directory).expect("a journal").replay(base).model)
}

#[test]
fn what_was_set_by_hand_is_there_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let base = Model::default();
    assert_eq!(Record::read(directory.path()).expect("a new directory").base, None);
    assert_eq!(changes(directory.path(), &base), []);
    let mut journal = Journal::write(directory.path(), "hash", &[]).expect("a new journal");
    let add = Request::AddService { service: service(80) };
    journal.append(&add).expect("written");
    journal.append(&Request::AddService { service: service(81) }).expect("written");
    journal.append(&Request::DeleteService { id: service(81).id }).expect("written");
    let kept = changes(directory.path(), &base);
    assert_eq!(kept, std::slice::from_ref(&add));
    journal.rebase("another", &kept).expect("rewritten");
    let record = Record::read(directory.path()).expect("the same journal");
    assert_eq!((record.base.as_deref(), record.requests), (Some("another"), vec![(2, add)]));
}

#[test]
fn a_file_that_grew_long_is_made_short_and_says_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let (base, mut model) = (Model::default(), Model::default());
    let mut journal = Journal::write(directory.path(), "hash", &[]).expect("a new journal");
    let change = |journal: &mut Journal, model: &mut Model, request: &Request| {
        journal.append(request).expect("written");
        model.commit(request);
    };
    change(&mut journal, &mut model, &Request::AddService { service: service(80) });
    for _ in 0..LONG / 2 {
        change(&mut journal, &mut model, &Request::AddService { service: service(81) });
        change(&mut journal, &mut model, &Request::DeleteService { id: service(81).id });
    }
    journal.keep_safe(&base, &model).expect("rewritten");
    change(&mut journal, &mut model, &Request::AddService { service: service(82) });
    let text = fs::read_to_string(directory.path().join("operator.jsonl")).expect("read");
    assert_eq!(text.lines().count(), 3, "{text}");
    let kept = changes(directory.path(), &base);
    assert_eq!(kept, [80, 82].map(|port| Request::AddService { service: service(port) }));
}

#[test]
fn a_change_that_does_not_fit_its_base_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = Journal::write(directory.path(), "hash", &[]).expect("a new journal");
    journal.append(&Request::AddService { service: service(80) }).expect("written");
    let base = Model::new([service(80)], Timeouts::default());
    let replay = Record::read(directory.path()).expect("the same journal").replay(&base);
    assert_eq!(replay.model, base);
    assert!(replay.warnings[0].contains(&Refusal::ServiceExists.to_string()), "{:?}", replay.warnings);
}

#[test]
fn a_journal_of_an_older_lvx_has_no_base_and_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("operator.jsonl");
    let line = serde_json::to_string(&Request::AddService { service: service(80) }).expect("JSON");
    fs::write(&path, format!("{line}\n")).expect("written");
    let record = Record::read(directory.path()).expect("a journal");
    assert_eq!((record.base, record.requests.len()), (None, 1));
}

#[test]
fn a_line_cut_off_by_a_crash_does_not_count_and_a_wrong_one_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("operator.jsonl");
    fs::write(&path, "{\"op\":\"flush\"}\n{\"op\":\"fl").expect("written");
    Record::read(directory.path()).expect("the whole line counts");
    fs::write(&path, "{\"op\":\"flush\"}\nrubbish\n").expect("written");
    let error = Record::read(directory.path()).expect_err("a wrong line");
    assert!(error.to_string().contains("operator.jsonl line 2"), "{error}");
}
