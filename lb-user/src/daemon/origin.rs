//! The file of `lvx run --config`.

use std::path::PathBuf;

use crate::config::{self, Config, ConfigError, Overrides};
use crate::generations::hash;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The file; none is an empty one.
    pub file: Option<PathBuf>,
    /// What the command line says over it, and over every other file that is applied.
    pub overrides: Overrides,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// What it is called.
    pub(super) name: String,
    /// What is in it.
    pub(super) text: String,
}

impl Text {
    /// The config that it asks for, under what the command line says.
    ///
    /// # Errors
    /// All problems of the file.
    pub(super) fn parse(&self, overrides: &Overrides) -> Result<Config, ConfigError> {
        let config = config::parse(&self.name, &self.text).map_err(ConfigError::Invalid)?;
        Ok(overrides.over(config))
    }
}

impl Origin {
    /// The file as it is now, if there is one.
    pub(super) fn text(&self) -> Result<Option<Text>, ConfigError> {
        let Some(path) = &self.file else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        Ok(Some(Text { name: path.display().to_string(), text }))
    }

    /// The file, if there is one, and what it asks for.
    ///
    /// # Errors
    /// It cannot be read, or is not valid.
    pub(super) fn read(&self) -> Result<(Option<Text>, Config), ConfigError> {
        let text = self.text()?;
        let config = match &text {
            Some(text) => text.parse(&self.overrides)?,
            None => self.overrides.over(Config::default()),
        };
        Ok((text, config))
    }

    /// The hash of the file as it is now; none where it cannot be read.
    pub(super) fn hash(&self) -> Option<String> {
        self.text().ok().flatten().map(|text| hash(&text.text))
    }
}
