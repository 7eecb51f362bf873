//! Where brought files lie until they are read.
//!
//! Owns that a file is seen by nobody but this service (mode 0600 in a directory of mode 0700), that its name is ours
//! and random, never the person's, and that it goes when nothing needs it: what is not [kept](Stored::keep) is removed.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::federation::Node;

/// What is gathered before it is written.
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks that may wait for the disk.
const QUEUE: usize = 2;

/// The directory of brought files.
pub fn directory(node: &Node) -> PathBuf {
    node.config.server.data_dir.join("imports")
}

/// A file of ours. Removed with this value, unless it is kept.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    name: String,
    len: u64,
    is_kept: bool,
}

impl Stored {
    /// Under which name it is kept.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Leaves the file where it is: a row of the database knows of it now.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if !self.is_kept {
            discard(&self.path);
        }
    }
}

/// Removes a file that nothing needs any more.
pub fn discard(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!("a brought file could not be removed: {error}");
        }
        _ => {}
    }
}

/// A file that comes in, block by block.
pub struct Incoming {
    stored: Stored,
    block: Vec<u8>,
    blocks: mpsc::Sender<Vec<u8>>,
    writing: JoinHandle<io::Result<()>>,
}

impl Incoming {
    /// - `name`: random.
    pub async fn begin(node: &Node, name: String) -> io::Result<Incoming> {
        let directory = directory(node);
        let path = directory.join(&name);
        let (made, file) = (path.clone(), tokio::task::spawn_blocking(move || make(&directory, &path)));
        let file = file.await.map_err(io::Error::other)??;
        let (blocks, incoming) = mpsc::channel(QUEUE);
        let stored = Stored { path: made, name, len: 0, is_kept: false };
        let writing = tokio::task::spawn_blocking(move || write(file, incoming));
        Ok(Incoming { stored, block: Vec::new(), blocks, writing })
    }

    pub fn len(&self) -> u64 {
        self.stored.len
    }

    pub fn is_empty(&self) -> bool {
        self.stored.len == 0
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stored.len += bytes.len() as u64;
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        // A writer that is gone says at the end why.
        self.blocks.send(block).await.map_err(|_| io::Error::other("the disk does not take the file"))
    }

    /// Everything has come: it is on the disk when this returns.
    pub async fn end(mut self) -> io::Result<Stored> {
        let sent = self.flush().await;
        drop(self.blocks);
        self.writing.await.map_err(io::Error::other)??;
        sent?;
        Ok(self.stored)
    }
}

fn make(directory: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(mut file: File, mut incoming: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(block) = incoming.blocking_recv() {
        file.write_all(&block)?;
    }
    file.sync_all()
}

/// Removes what no import needs: uploads that broke off. Says how many.
pub fn remove_all_but(directory: &Path, needed: &HashSet<String>) -> io::Result<usize> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut count = 0;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| needed.contains(name)) {
            fs::remove_file(entry.path())?;
            count += 1;
        }
    }
    Ok(count)
}
