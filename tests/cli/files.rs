//! `lvx plan`, `lvx apply`, `lvx reload`, `lvx export`, `lvx generations`, `lvx rollback`.

mod by_hand;
mod generations;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use xtask::lab::Arms;
use xtask::wait;

use crate::network::director::Director;
use crate::network::setup::Setup;

const LIMIT: Duration = Duration::from_secs(10);

/// What `Director::configure` adds to every file.
const SIZES: &str = "\n[sizes]\nconnections = 16384\ntemplates = 4096\nservices = 64\nreal_servers = 256\n";

const WEB: &str = r#"
[[service]]
tcp = "172.16.100.1:80"
scheduler = "rr"
real_server = [{ address = "172.16.100.10" }, { address = "172.16.100.11" }]
"#;

const MAIL: &str = r#"
[[service]]
tcp = "[2001:db8:100::1]:25"
scheduler = "mh"
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]
"#;

fn up(config: &str) -> Result<Director> {
    let director = Setup::new(Arms::One).config(config).up()?;
    settled(&director)?;
    Ok(director)
}

/// Waits until it is known how every server is reached, so that nothing is written for that any more.
fn settled(director: &Director) -> Result<()> {
    director.until("every server is reachable", LIMIT, |status| {
        let servers = status.services.iter().flat_map(|service| &service.servers);
        let reachable =
            |state: &lb_user::api::NeighbourState| matches!(state, lb_user::api::NeighbourState::Reachable { .. });
        Ok(servers.map(|entry| &entry.neighbour).all(reachable))
    })?;
    Ok(())
}

/// A file with these words, with the sizes that run.
fn file(director: &Director, name: &str, text: &str) -> Result<PathBuf> {
    let path = director.lab.directory().join(name);
    std::fs::write(&path, format!("{text}{SIZES}"))?;
    Ok(path)
}

/// Files in the directory of generations.
fn kept(director: &Director) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(director.state().join("generations"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[test]
fn an_identical_file_writes_nothing() -> Result<()> {
    let director = up(&format!("{WEB}{MAIL}"))?;
    let (before, files) = (director.status()?, kept(&director)?);
    let config = director.config().display().to_string();
    for line in [format!("lvx apply {config}"), "lvx reload".to_owned(), format!("lvx apply - < {config}")] {
        assert_eq!(director.does(&[&line])?, "nothing to change; generation 1 runs\n", "{line}");
    }
    assert_eq!(director.does(&[&format!("lvx plan {config}")])?, "nothing would change\n");
    director.signal(libc::SIGHUP)?;
    wait::until("the log speaks of it", LIMIT, || Ok(director.log().matches("applied already").count() == 4))?;
    let after = director.status()?;
    assert_eq!((after.table_writes, after.generation), (before.table_writes, before.generation));
    assert_eq!(kept(&director)?, files);

    // Another text that says the same is kept, and nothing else happens.
    director.configure(&format!("# A comment.\n{WEB}{MAIL}"))?;
    assert_eq!(director.does(&["lvx reload"])?, "nothing to change; generation 2 runs\n");
    assert_eq!(director.status()?.table_writes, before.table_writes);
    assert_eq!(kept(&director)?, ["1.toml", "2.toml"]);
    Ok(())
}

#[test]
fn a_change_is_planned_and_applied_and_touches_only_what_it_names() -> Result<()> {
    let director = up(&format!("{WEB}{MAIL}"))?;
    director.nginx(["r1", "r2"], &[80])?;
    let clients = director.clients(false);
    for &client in &clients[..4] {
        director.lab.visit(client, 80)?;
    }
    let before = director.status()?;
    let changed = MAIL.replace("{ address = \"2001:db8:100::10\" }", "{ address = \"2001:db8:100::20\" }");
    let path = file(&director, "new.toml", &format!("{WEB}{changed}[timeouts]\nudp = 30\n"))?.display().to_string();
    let planned = director.does(&[&format!("lvx plan {path}")])?;
    for words in [
        "~ timeout udp: 300 s -> 30 s\n",
        "+ server TCP [2001:db8:100::1]:25 -> [2001:db8:100::20]:25: weight 1\n",
        "- server TCP [2001:db8:100::1]:25 -> [2001:db8:100::10]:25: weight 1\n",
        "TCP [2001:db8:100::1]:25 mh: ",
        " of 4093 buckets (",
    ] {
        assert!(planned.contains(words), "no {words:?} in\n{planned}");
    }
    assert_eq!(director.status()?.table_writes, before.table_writes, "a plan writes nothing");
    let applied = director.does(&[&format!("lvx apply {path}")])?;
    assert_eq!(applied, format!("{planned}applied; generation 2 runs\n"));
    let after = director.status()?;
    assert_eq!(after.services[0], before.services[0], "the web service is as it was, counters and all");
    assert!(after.table_writes - before.table_writes < 20, "{} writes", after.table_writes - before.table_writes);
    let listed = director.does(&["ipvsadm -Ln", "ipvsadm -L --timeout"])?;
    assert!(listed.contains("[2001:db8:100::20]:25") && listed.contains("900 120 30"), "{listed}");
    Ok(())
}

#[test]
fn a_plan_counts_who_loses_the_server() -> Result<()> {
    let web = WEB.replace("scheduler", "persistent = 300\nscheduler");
    let director = up(&web)?;
    director.nginx(["r1", "r2"], &[80])?;
    for client in &director.clients(false)[..4] {
        director.lab.visit(*client, 80)?;
    }
    let one = web.replace("{ address = \"172.16.100.10\" }, ", "");
    let path = file(&director, "one.toml", &one)?.display().to_string();
    let report: serde_json::Value = serde_json::from_str(&director.does(&[&format!("lvx plan --json {path}")])?)?;
    let number = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_u64);
    assert_eq!((number("/report/templates/lost"), number("/report/templates/of")), (Some(2), Some(4)), "{report:#}");
    assert_eq!(number("/report/connections/lost"), number("/report/connections/of").map(|all| all / 2), "{report:#}");
    let shown = director.does(&[&format!("lvx plan {path}")])?;
    assert!(shown.contains("templates: 2 of 4 (50.0 %) lose their server\n"), "{shown}");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_applied_changes_nothing_and_says_why() -> Result<()> {
    let director = up(WEB)?;
    let before = (director.does(&["ipvsadm -Ln"])?, kept(&director)?, director.status()?.table_writes);
    let many: String = (1..=64).map(|port| format!("[[service]]\ntcp = '172.16.100.2:{port}'\n")).collect();
    director.does(&["ipvsadm -A -t 172.16.100.3:80 -s rr", "ipvsadm -D -t 172.16.100.3:80"])?;
    let writes = director.status()?.table_writes;
    for (name, text, words) in [
        (
            "mistake.toml",
            "[[service]]\ntcp = \"172.16.100.1:80\"\nscheduler = \"rrr\"\n",
            "mistake.toml:3: service.scheduler",
        ),
        ("interface.toml", "interfaces = [\"eth0\", \"eth7\"]\n", "there is no interface eth7"),
        (
            "mode.toml",
            "xdp_mode = \"generic\"\n",
            "this needs a restart of lvx, so nothing was changed:\n  ~ setting xdp_mode: native -> generic",
        ),
    ] {
        let path = file(&director, name, text)?.display().to_string();
        let refused = director.sh(&format!("lvx apply {path}"))?;
        assert_eq!((refused.status, refused.stdout.as_str()), (1, ""), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
        assert!(
            !refused.stderr.contains("xdp")
                || director.sh(&format!("lvx plan {path}"))?.stdout.contains("! needs a restart")
        );
    }
    let mistake = director.lab.directory().join("mistake.toml").display().to_string();
    let [checked, applied] = ["check", "apply"].map(|verb| director.sh(&format!("lvx {verb} {mistake}")));
    let (checked, applied) = (checked?.stderr, applied?.stderr);
    let said = applied.strip_prefix("lvx: ").unwrap_or_default();
    assert!(
        !said.is_empty() && checked.starts_with(said),
        "the daemon says it as `lvx check` does: {checked}{applied}"
    );

    // The file fits the tables, but not with what was set by hand.
    director.does(&["ipvsadm -A -f 9 -s rr"])?;
    let path = file(&director, "many.toml", &many)?.display().to_string();
    let refused = director.sh(&format!("lvx apply {path}"))?;
    assert!(refused.stderr.contains("no room for more services"), "{refused:?}");
    director.does(&["ipvsadm -D -f 9"])?;
    let now = director.status()?.table_writes;
    assert!(now - writes < 12, "only what was set by hand was written: {}", now - writes);
    assert_eq!((director.does(&["ipvsadm -Ln"])?, kept(&director)?), (before.0, before.1));
    Ok(())
}

#[test]
fn what_is_exported_and_applied_again_is_the_same() -> Result<()> {
    let config =
        format!("{WEB}{MAIL}[marks]\nfollow_netfilter = false\n[[marks.rule]]\nmark = 9\nprotocol = \"udp\"\n");
    let director = up(&config)?;
    director.does(&[
        "ipvsadm -A -f 8 -6 -s sed -p 100",
        "ipvsadm -a -f 8 -6 -r [2001:db8:100::10]:80 -w 3 -x 9 -y 4",
        "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10",
        "lvx sysctl sloppy_tcp=1",
    ])?;
    let exported = director.does(&["lvx export"])?;
    let path = director.lab.directory().join("exported.toml");
    std::fs::write(&path, &exported)?;
    let path = path.display().to_string();
    assert_eq!(director.does(&[&format!("lvx plan {path}")])?, "nothing would change\n");
    let writes = director.status()?.table_writes;
    director.does(&[&format!("lvx apply {path}")])?;
    let status = director.status()?;
    assert_eq!((status.table_writes, status.by_hand), (writes, vec![]), "what was by hand is the file's now");
    assert_eq!(director.does(&["lvx export"])?, exported);

    // Without anything that was set by hand, on a director that is new.
    director.end(libc::SIGTERM)?;
    std::fs::remove_dir_all(director.state())?;
    std::fs::copy(&path, director.config())?;
    director.start()?;
    assert_eq!(director.does(&["lvx export"])?, exported);
    Ok(())
}

#[test]
fn interfaces_come_and_go_with_the_file() -> Result<()> {
    let director = Setup::new(Arms::Two).config("interfaces = [\"eth1\"]\n").arguments(&[]).up()?;
    let modes = |director: &Director| -> Result<Vec<_>> {
        Ok(director.status()?.interfaces.into_iter().map(|interface| (interface.name, interface.mode)).collect())
    };
    let native = |name: &str| (name.to_owned(), "native".to_owned());
    director.configure("interfaces = [\"eth0\", \"eth1\"]\n")?;
    assert!(director.does(&["lvx reload"])?.starts_with("+ interface eth0\n"));
    assert_eq!(modes(&director)?, [native("eth0"), native("eth1")]);
    director.configure("interfaces = [\"eth0\"]\n")?;
    director.does(&["lvx reload"])?;
    assert_eq!(modes(&director)?, [native("eth0")]);
    let shown = director.does(&["ip link show eth1", "ip link show eth0"])?;
    assert_eq!(shown.matches("prog/xdp").count(), 1, "{shown}");
    director.configure("")?;
    let refused = director.sh("lvx reload")?;
    assert!(refused.stderr.contains("no interface to balance on is left"), "{refused:?}");
    Ok(())
}
