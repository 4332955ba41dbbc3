//! Recorded decisions of the real IPVS (`golden/`), played to LVX: every decision, table and counter must be equal.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lvx_tests::oracle::{Recording, replay};

/// Differences that a failed test shows.
const SHOWN: usize = 5;

/// A test for each recording.
macro_rules! recordings {
    ($($name:ident)+) => {
        const PLAYED: &[&str] = &[$(stringify!($name)),+];
        $(
            #[test]
            fn $name() {
                play(stringify!($name));
            }
        )+
    };
}

recordings! {
    dh_531_life dh_531_syn dh_weights_mid
    edge_allzero edge_nodest edge_reuse_mode0 edge_reuse_mode1 edge_sloppy edge_tcp edge_ttl_tos
    fo_531_syn
    lblc_531_syn
    lc_531_life lc_531_syn lc_weights_mid
    mh_531_life mh_531_syn mh_fallback_531 mh_port_531
    nq_531_life nq_531_syn
    ovf_531_syn
    persist_fwmark_rr persist_mask24_rr persist_mask24_wrr persist_port0_wrr persist_ppc_wrr
    persist_quiesce_0 persist_quiesce_1
    rr_531_life rr_531_syn rr_weights_mid
    sed_531_life sed_531_syn
    sh_531_life sh_531_syn sh_fallback_531 sh_port_531 sh_w100_1_1_syn sh_w111_syn sh_w642_syn sh_weights_mid
    threshold_rr
    time_persist_3600 time_persist_60 time_tcp_states time_template_rearm
    udp_ops_rr udp_rr
    wlc_531_life wlc_531_syn wlc_w100_1_1_syn wlc_w111_syn wlc_weights_mid
    wrr_531_life wrr_531_syn wrr_w100_1_1_syn wrr_w111_syn wrr_weights_mid
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn read(name: &str) -> Recording {
    Recording::read(&directory().join(format!("{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

fn play(name: &str) {
    let recording = read(name);
    let differences = replay::play(&recording).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let (count, shown) = (differences.len(), &differences[..differences.len().min(SHOWN)]);
    assert!(count == 0, "{}: {count} differences, the first of them\n{}", recording.about, shown.join("\n"));
}

#[test]
fn every_recording_is_played() {
    let files = std::fs::read_dir(directory()).expect("the recordings are there");
    let found: BTreeSet<String> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let known = PLAYED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, known);
}
