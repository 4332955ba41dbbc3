//! The files that were applied last, and the way back to them.

use anyhow::Result;

use super::{MAIL, WEB, file, kept, up};

#[test]
fn earlier_files_are_kept_and_can_be_gone_back_to() -> Result<()> {
    let director = up(&format!("{WEB}[generations]\nkeep = 3\n"))?;
    let listed = |director: &super::Director| director.does(&["ipvsadm -Ln"]);
    let first = listed(&director)?;
    let both = file(&director, "both.toml", &format!("{WEB}{MAIL}[generations]\nkeep = 3\n"))?.display().to_string();
    let mail = file(&director, "mail.toml", &format!("{MAIL}[generations]\nkeep = 3\n"))?.display().to_string();
    director.does(&[&format!("lvx apply {both}")])?;
    let second = listed(&director)?;
    director.does(&[&format!("lvx apply {mail}")])?;
    let table = director.does(&["lvx generations"])?;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[1].starts_with("1 ") && lines[1].contains(" start ") && lines[1].ends_with("lvx.toml"), "{table}");
    assert!(lines[3].starts_with("3 ") && lines[3].contains(" apply ") && lines[3].ends_with("mail.toml"), "{table}");

    assert!(director.does(&["lvx rollback"])?.ends_with("applied; generation 4 runs\n"));
    assert_eq!(listed(&director)?, second);
    let refused = director.sh("lvx rollback 1")?;
    assert_eq!(refused.status, 1, "of four only three are kept: {refused:?}");
    assert!(
        refused.stderr.contains("there is no generation 1; `lvx generations` lists those that are kept"),
        "{refused:?}"
    );
    assert_eq!(kept(&director)?, ["2.toml", "3.toml", "4.toml"]);
    assert!(director.does(&["lvx generations"])?.contains("(that of generation 2)"));
    assert!(director.does(&["lvx reload"])?.ends_with("applied; generation 5 runs\n"));
    assert_eq!(listed(&director)?, first);
    assert!(director.does(&["lvx rollback 3"])?.ends_with("applied; generation 6 runs\n"));
    assert!(listed(&director)?.contains("[2001:db8:100::1]:25 mh"));
    // A kept file can be applied by its name too.
    let by_name = director.state().join("generations/6.toml").display().to_string();
    director.does(&[&format!("lvx check {by_name}")])?;
    Ok(())
}

#[test]
fn after_a_restart_what_was_applied_last_holds_until_the_file_changes() -> Result<()> {
    let director = up(WEB)?;
    let mail = file(&director, "mail.toml", MAIL)?.display().to_string();
    director.does(&[&format!("lvx apply {mail}")])?;
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        director.end(signal)?;
        director.start()?;
        let listed = director.does(&["ipvsadm -Ln"])?;
        assert!(listed.contains("]:25 mh") && !listed.contains(":80 rr"), "{listed}");
        let status = director.status()?;
        let note = format!("generation 2 ({mail}) was applied last and holds; ");
        assert!(status.warnings.iter().any(|warning| warning.starts_with(&note)), "{:?}", status.warnings);
        assert_eq!(status.generation.map(|generation| generation.number), Some(2));
    }
    assert!(director.does(&["lvx reload"])?.ends_with("applied; generation 3 runs\n"));
    assert_eq!(director.status()?.warnings, [""; 0]);

    director.does(&[&format!("lvx apply {mail}")])?;
    director.end(libc::SIGTERM)?;
    director.configure(&format!("# Changed.\n{WEB}"))?;
    director.start()?;
    let listed = director.does(&["ipvsadm -Ln"])?;
    assert!(!listed.contains("]:25 mh") && listed.contains(":80 rr"), "{listed}");
    assert_eq!(director.status()?.generation.map(|generation| generation.number), Some(5));
    Ok(())
}
