use super::*;

fn applied<'a>(text: &'a str, how: How, of: Option<u64>) -> Applied<'a> {
    Applied { name: "lvx.toml", text, how, of, file: Some(hash(text)) }
}

fn numbers(generations: &Generations) -> Vec<u64> {
    generations.all().iter().map(|generation| generation.number).collect()
}

#[test]
fn what_was_applied_is_there_after_a_restart_and_the_oldest_go() {
    let state = tempfile::tempdir().expect("a directory");
    let mut generations = Generations::open(state.path()).expect("a new directory");
    assert_eq!(generations.last(), None);
    for text in ["# one\n", "# two\n", "no end of line"] {
        generations.add(&applied(text, How::Apply, None)).expect("written");
        generations.keep(2).expect("removed");
    }
    let mut generations = Generations::open(state.path()).expect("the same directory");
    assert_eq!(numbers(&generations), [2, 3]);
    let last = generations.last().expect("the third").clone();
    assert_eq!((last.how, last.name.as_str(), last.file), (How::Apply, "lvx.toml", Some(hash("no end of line"))));
    assert_eq!(generations.text(&generations.all()[1]).expect("read"), "no end of line");
    assert_eq!(generations.add(&applied("", How::Start, None)).expect("written").number, 4);
    assert_eq!(generations.with_hash(&hash("# two\n")).map(|generation| generation.number), Some(2));
}

#[test]
fn what_was_not_applied_after_all_leaves_nothing() {
    let state = tempfile::tempdir().expect("a directory");
    let mut generations = Generations::open(state.path()).expect("a new directory");
    generations.add(&applied("# one\n", How::Start, None)).expect("written");
    generations.add(&applied("# two\n", How::Apply, None)).expect("written");
    generations.take_back().expect("removed");
    assert_eq!(numbers(&Generations::open(state.path()).expect("the same directory")), [1]);
}

#[test]
fn one_rollback_after_the_other_goes_further_back() {
    let state = tempfile::tempdir().expect("a directory");
    let mut generations = Generations::open(state.path()).expect("a new directory");
    assert_eq!(generations.earlier(None), None);
    for text in ["a", "b", "b", "c"] {
        generations.add(&applied(text, How::Apply, None)).expect("written");
    }
    assert_eq!(generations.earlier(None).map(|generation| generation.number), Some(3));
    generations.add(&applied("b", How::Rollback, Some(3))).expect("written");
    assert_eq!(generations.earlier(None).map(|generation| generation.number), Some(1), "2 has the same text as 5");
    generations.add(&applied("a", How::Rollback, Some(1))).expect("written");
    assert_eq!(generations.earlier(None), None);
    assert_eq!(generations.earlier(Some(4)).map(|generation| generation.number), Some(4));
    assert_eq!(generations.earlier(Some(99)), None);
}

#[test]
fn a_file_that_is_none_is_left_alone_and_one_that_was_changed_is_not_used() {
    let state = tempfile::tempdir().expect("a directory");
    let mut generations = Generations::open(state.path()).expect("a new directory");
    generations.add(&applied("# one\n", How::Start, None)).expect("written");
    let directory = state.path().join("generations");
    fs::write(directory.join("7.toml"), "interfaces = []\n").expect("written");
    fs::write(directory.join("notes.txt"), "mine").expect("written");
    let mut generations = Generations::open(state.path()).expect("the same directory");
    assert_eq!(numbers(&generations), [1]);
    assert_eq!(generations.add(&applied("# two\n", How::Apply, None)).expect("written").number, 8);
    let first = directory.join("1.toml");
    let text = fs::read_to_string(&first).expect("read");
    fs::write(&first, text.replace("one", "uno")).expect("written");
    let error = generations.text(&generations.all()[0]).expect_err("another text");
    assert!(error.to_string().contains("was changed after it was applied"), "{error}");
    assert!(directory.join("notes.txt").exists());
}

#[test]
fn the_file_of_the_start_is_noted_anew_only_where_it_is_another() {
    let state = tempfile::tempdir().expect("a directory");
    let mut generations = Generations::open(state.path()).expect("a new directory");
    generations.add(&applied("# one\n", How::Apply, None)).expect("written");
    let path = state.path().join("generations/1.toml");
    let before = fs::metadata(&path).and_then(|data| data.modified()).expect("a file");
    generations.note_file(Some(&hash("# one\n"))).expect("nothing to do");
    assert_eq!(fs::metadata(&path).and_then(|data| data.modified()).expect("a file"), before);
    generations.note_file(None).expect("written");
    let generations = Generations::open(state.path()).expect("the same directory");
    assert_eq!(generations.all()[0].file, None);
    assert_eq!(generations.text(&generations.all()[0]).expect("read"), "# one\n");
}
