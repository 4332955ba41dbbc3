//! `-R` and `ipvsadm-restore`.

use super::fake::Fake;
use super::{done, run_with_input, table};

/// Restores into an empty table: status, standard error, and the rules that are there afterwards.
fn restored(program: &str, input: &str) -> (i32, String, String) {
    let mut fake = table(&["-A -t 10.9.9.9:9 -s rr"]);
    let output = run_with_input(&mut fake, program, input);
    (output.status, output.stderr, done(&mut fake, "-Sn"))
}

const OLD: &str = "-A -t 10.9.9.9:9 -s rr\n";
const NEW: &str = "-A -t 10.0.0.1:80 -s wlc\n";
const TRY_HELP: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n";

#[test]
fn lines_are_commands() {
    for input in [
        "-A -t 10.0.0.1:80\n",
        "-A -t 10.0.0.1:80",
        "ipvsadm -A -t 10.0.0.1:80\n",
        "\n  \n\t-A\t-t  10.0.0.1:80 \r\n\n",
        "ipvsadm\n-A -t 10.0.0.1:80\n",
    ] {
        assert_eq!(restored("ipvsadm -R", input), (0, String::new(), format!("{NEW}{OLD}")), "{input:?}");
        assert_eq!(restored("ipvsadm-restore", input), (0, String::new(), NEW.to_owned()), "{input:?}");
    }
    assert_eq!(restored("ipvsadm -R", ""), (0, String::new(), OLD.to_owned()));
    assert_eq!(restored("ipvsadm-restore", ""), (0, String::new(), String::new()));
}

#[test]
fn a_refusal_is_told_and_the_next_line_follows() {
    let input = "-D -t 10.0.0.1:1\n-A -t 10.0.0.1:80\n";
    assert_eq!(restored("ipvsadm -R", input), (0, "No such service\n".to_owned(), format!("{NEW}{OLD}")));
    let input = "-A -t 10.0.0.1:80 --bogus\n-A -t 10.0.0.1:80\n";
    assert_eq!(restored("ipvsadm -R", input), (0, "--bogus: unknown option\n".to_owned(), format!("{NEW}{OLD}")));
}

#[test]
fn the_status_is_that_of_the_last_line() {
    let input = "-A -t 10.0.0.1:80\n-D -t 10.0.0.1:1\n\n";
    assert_eq!(restored("ipvsadm -R", input), (255, "No such service\n".to_owned(), format!("{NEW}{OLD}")));
}

#[test]
fn a_line_that_makes_no_sense_ends_it() {
    for (line, status, text) in [
        ("-A -s rr", 2, "You need to supply the 'service-address' option for the 'add-service' command\n"),
        ("-a -t 10.0.0.1:80 -r 10.0.0.2 -w x", 2, "illegal weight specified\n"),
        ("# a comment", 255, TRY_HELP),
        ("-R", 255, TRY_HELP),
        ("-Ln -t 10.0.0.1:1", 1, "No such service\n"),
    ] {
        let input = format!("-A -t 10.0.0.1:80\n{line}\n-C\n");
        assert_eq!(restored("ipvsadm -R", &input), (status, text.to_owned(), format!("{NEW}{OLD}")), "{line}");
    }
}

#[test]
fn comments_are_for_the_script() {
    let input = "# saved\n-A -t 10.0.0.1:80\n#-C\n";
    assert_eq!(restored("ipvsadm-restore", input), (0, String::new(), NEW.to_owned()));
    let (status, text, rules) = restored("ipvsadm-restore", " # indented\n-A -t 10.0.0.1:80\n");
    assert_eq!((status, text.as_str(), rules.as_str()), (255, TRY_HELP, ""));
}

#[test]
fn other_commands_work_inside() {
    let mut fake = Fake::default();
    let output = run_with_input(&mut fake, "ipvsadm -R", "--set 1 2 3\n-L --timeout\n-C\n-v\n-A -t 10.0.0.1:80\n");
    let version = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";
    assert_eq!(output.stdout, format!("Timeout (tcp tcpfin udp): 1 2 3\n{version}"));
    assert_eq!((output.status, output.stderr.as_str(), fake.services.len()), (0, "", 0));
}
