//! What there is to say without a daemon.

use anyhow::Result;

use super::program::Program;

const NO_DAEMON: &str = "Can't initialize ipvs: no lvx listens on lvx.sock; start it with `lvx run`\n\
                         Are you sure that the lvx daemon (`lvx run`) is running, and that you may use its socket?\n";

#[test]
fn every_command_of_ipvsadm_says_that_no_daemon_runs() -> Result<()> {
    let program = Program::new()?;
    for line in [
        "ipvsadm",
        "ipvsadm -Ln",
        "ipvsadm -A -t 172.16.100.1:80",
        "ipvsadm --nonsense",
        "ipvsadm -C",
        "ipvsadm -S",
        "ipvsadm-save -n",
        "lvx ipvsadm -Ln",
        "echo '-A -t 172.16.100.1:80' | ipvsadm -R",
    ] {
        let ran = program.sh(line)?;
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (2, "", NO_DAEMON), "{line}");
    }
    let restored = program.sh("echo '-A -t 172.16.100.1:80' | ipvsadm-restore")?;
    assert_eq!((restored.status, restored.stderr.starts_with(NO_DAEMON)), (2, true), "{restored:?}");
    let status = program.sh("lvx status")?;
    assert_eq!(
        (status.status, status.stderr.as_str()),
        (1, "lvx: no lvx listens on lvx.sock; start it with `lvx run`\n")
    );
    Ok(())
}

#[test]
fn a_user_without_rights_is_told_what_is_missing() -> Result<()> {
    let program = Program::new()?;
    let maps = program.sh_as_nobody("lvx run --interface lo")?;
    assert_eq!(maps.status, 1, "{maps:?}");
    assert!(maps.stderr.contains("this needs root (CAP_BPF, CAP_NET_ADMIN)"), "{maps:?}");
    assert!(!program.path("lvx.sock").exists(), "no socket stays");

    let program = Program::new()?;
    let run = program.sh_as_nobody("lvx run --interface lo --socket /run/lvx-nobody/lvx.sock")?;
    assert_eq!(run.status, 1, "{run:?}");
    let error = "cannot listen on /run/lvx-nobody/lvx.sock; `lvx run` needs root: Permission denied";
    assert!(run.stderr.contains(error), "{run:?}");
    Ok(())
}

#[test]
fn help_and_version_need_nothing() -> Result<()> {
    let program = Program::new()?;
    for (line, words) in [
        ("lvx --help", ["run", "ipvsadm", "status", "check"].as_slice()),
        ("lvx run --help", &["--config", "--interface", "--xdp-mode", "generic", "--socket", "--state-dir"]),
        ("lvx status --help", &["--json"]),
        ("lvx --version", &["lvx 0."]),
        ("ipvsadm --help", &["-A", "-r ADDRESS", "--set TCP TCPFIN UDP"]),
        ("lvx ipvsadm -h", &["ipvsadm -A"]),
        ("ipvsadm -v", &["ipvsadm"]),
    ] {
        let ran = program.sh(line)?;
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}: {ran:?}");
        for word in words {
            assert!(ran.stdout.contains(word), "{line} does not speak of {word}:\n{}", ran.stdout);
        }
    }
    let bare = program.sh("lvx")?;
    assert_eq!((bare.status, bare.stderr.contains("Usage: lvx <COMMAND>")), (2, true), "{bare:?}");
    let unknown = program.sh("lvx statsu")?;
    assert_eq!(
        (unknown.status, unknown.stderr.contains("a similar subcommand exists: 'status'")),
        (2, true),
        "{unknown:?}"
    );
    Ok(())
}

#[test]
fn a_config_file_can_be_checked() -> Result<()> {
    let program = Program::new()?;
    std::fs::write(program.path("good.toml"), "interfaces = [\"eth0\"]\n[[service]]\ntcp = \"192.0.2.1:80\"\n")?;
    let good = program.sh("lvx check good.toml")?;
    assert_eq!((good.status, good.stdout.as_str(), good.stderr.as_str()), (0, "good.toml: good\n", ""));

    std::fs::write(
        program.path("bad.toml"),
        "[[service]]\ntcp = \"192.0.2.1:80\"\nshceduler = \"rr\"\npersistent = 0\n",
    )?;
    let bad = program.sh("lvx check bad.toml")?;
    assert_eq!((bad.status, bad.stdout.as_str()), (1, ""));
    for words in ["bad.toml:3: service.shceduler: unknown key", "bad.toml:4: service.persistent: 0 is out of range"] {
        assert!(bad.stderr.contains(words), "all mistakes at once, each with its line: {}", bad.stderr);
    }
    assert!(bad.stderr.ends_with("bad.toml: 2 mistakes\n"), "{bad:?}");
    let missing = program.sh("lvx check missing.toml")?;
    assert_eq!(missing.status, 1);
    assert!(missing.stderr.contains("cannot read the configuration missing.toml: No such file"), "{missing:?}");

    let all = program.sh("lvx check good.toml bad.toml good.toml")?;
    assert_eq!((all.status, all.stdout.as_str()), (1, "good.toml: good\ngood.toml: good\n"), "{all:?}");
    let piped = program.sh("lvx check - < bad.toml")?;
    assert!(piped.status == 1 && piped.stderr.contains("stdin:3: service.shceduler: unknown key"), "{piped:?}");
    assert_eq!(program.sh("lvx check")?.status, 2);
    Ok(())
}

#[test]
fn what_is_wrong_with_config_files_is_also_there_for_programs() -> Result<()> {
    let program = Program::new()?;
    std::fs::write(program.path("warned.toml"), "[template.web]\nscheduler = 'rr'\n")?;
    std::fs::write(program.path("bad.toml"), "[[service]]\nmark = 8\nshceduler = \"rr\"\n")?;
    let ran = program.sh("lvx check --json warned.toml bad.toml missing.toml")?;
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout)?;
    let at = |pointer: &str| json.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    assert_eq!((&json[0]["good"], &json[1]["good"], &json[2]["good"]), (&true.into(), &false.into(), &false.into()));
    assert_eq!(json[0]["warnings"][0]["line"], 1);
    assert_eq!(at("/0/warnings/0/key"), "template.web");
    assert_eq!(json[1]["problems"][0]["line"], 3);
    assert_eq!(at("/1/problems/0/key"), "service.shceduler");
    assert_eq!(at("/1/problems/0/advice"), "did you mean `scheduler`?");
    assert_eq!(at("/1/problems/0/source"), "shceduler = \"rr\"");
    assert!(at("/2/unreadable").contains("No such file"), "{json:#}");
    let text = program.sh("lvx check warned.toml")?;
    assert_eq!((text.status, text.stdout.as_str()), (0, "warned.toml: good\n"));
    assert!(text.stderr.starts_with("warning: warned.toml:1: template.web: no service uses"), "{text:?}");
    Ok(())
}

#[test]
fn the_schema_is_printed_for_editors() -> Result<()> {
    let schema: serde_json::Value = serde_json::from_str(&Program::new()?.sh("lvx schema")?.stdout)?;
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$defs"]["real_server"]["properties"]["weight"]["default"], 1);
    Ok(())
}
