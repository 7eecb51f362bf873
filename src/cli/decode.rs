//! `bridge decode`: what a connector understands of a saved reply, for operators who look for a fault.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::bridges::decode::{decode, kinds};
use crate::domain::identity::Platform;

/// Prints the value behind a file as JSON, or the class of the refusal with a failing status.
pub fn run(list: bool, platform: Option<&str>, kind: Option<&str>, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let wanted: Option<Platform> = platform.map(str::parse).transpose()?;
    if list {
        let mut lines = Vec::new();
        for platform in Platform::ALL.into_iter().filter(|platform| wanted.is_none_or(|wanted| wanted == *platform)) {
            for kind in kinds(platform) {
                lines.push(format!("{:<10} {:<14} {}", platform.slug(), kind.name, kind.description));
            }
        }
        super::print(&lines.join("\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(platform), Some(kind), Some(file)) = (wanted, kind, file) else {
        bail!("name a platform, a kind and a file; `fedflattr bridge decode --list` names the kinds");
    };
    if !kinds(platform).iter().any(|known| known.name == kind) {
        bail!("`{kind}` is not a kind of reply of {platform}; `fedflattr bridge decode --list {platform}` names them");
    }
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    match decode(platform, kind, &bytes) {
        Ok(value) => {
            super::print(&serde_json::to_string_pretty(&value)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("error: {}: {}", error.class(), error.message());
            Ok(ExitCode::FAILURE)
        }
    }
}
