//! Making a lab with a director.

use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
use xtask::lab::{Arms, Lab, Options, down};
use xtask::workspace;

use super::director::Director;

/// What a lab is to be like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its shape.
    pub arms: Arms,
    /// The config file, but `[sizes]`.
    pub config: String,
    /// Words after `lvx run`.
    pub arguments: Vec<&'static str>,
}

impl Setup {
    /// A lab of this shape, balanced on the clients' side, with an empty config.
    pub fn new(arms: Arms) -> Self {
        Self { arms, config: String::new(), arguments: vec!["--interface", "eth0"] }
    }

    /// The same with this config file.
    pub fn config(mut self, text: &str) -> Self {
        text.clone_into(&mut self.config);
        self
    }

    /// The same with these words after `lvx run`.
    pub fn arguments(mut self, words: &[&'static str]) -> Self {
        words.clone_into(&mut self.arguments);
        self
    }

    /// Makes the lab and starts `lvx`.
    pub fn up(self) -> Result<Director> {
        let director = self.stopped()?;
        director.start()?;
        Ok(director)
    }

    /// Makes the lab.
    pub fn stopped(self) -> Result<Director> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        ensure!(workspace::lvx().exists(), "lvx is not built: cargo xtask build");
        remove_orphans();
        let name = format!("t{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let lab = Lab::up(&Options { name, arms: self.arms })?;
        let director = Director::new(lab, self.arms, self.arguments);
        director.configure(&self.config)?;
        Ok(director)
    }
}

/// Takes down what test programs left behind that were killed.
fn remove_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for entry in std::fs::read_dir("/run").into_iter().flatten().flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = file.strip_prefix("lvx-lab-") else { continue };
            let process = name.strip_prefix('t').and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            if process.is_some_and(|process| !PathBuf::from(format!("/proc/{process}")).exists())
                && let Err(error) = down(name)
            {
                eprintln!("lab {name}: {error:#}");
            }
        }
    });
}
