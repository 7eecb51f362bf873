//! Measures the import of one large export file by a real process: seconds, and the peak of its memory.
//!
//! `cargo run --profile ci -p federation-tests --bin measure-import -- target/release/fedflattr [LIKES] [DATABASE_URL]`
//!
//! The file is an archive of Twitter, in the shape that the sandbox writes: a like with its number, its words and its
//! address, newest first, 100,000 in each part. Imported twice: the first time everything is new, the second nothing is.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Likes in one member of the archive.
const PART: u64 = 100_000;
/// How often the memory of the process is looked at; the kernel keeps the peak.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const WORDS: [&str; 24] = [
    "the",
    "sea",
    "is",
    "green",
    "today",
    "and",
    "my",
    "new",
    "song",
    "about",
    "it",
    "went",
    "up",
    "last",
    "night",
    "thanks",
    "for",
    "listening",
    "caf\u{e9}",
    "more",
    "soon",
    "\u{1f30a}",
    "tide",
    "https://t.co/a1b2c3d4e5",
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().context("name the binary to measure")?);
    let count: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let database = arguments.next();
    let directory = std::env::temp_dir().join(format!("fedflattr-measure-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let measured = measure(&program, &directory, count, database.as_deref());
    std::fs::remove_dir_all(&directory)?;
    measured
}

fn measure(program: &Path, directory: &Path, count: u64, database: Option<&str>) -> anyhow::Result<()> {
    let archive = directory.join("twitter.zip");
    let unpacked = write_archive(&archive, count)?;
    let packed = std::fs::metadata(&archive)?.len();
    println!("{count} likes, {} MB packed, {} MB unpacked", packed / 1_000_000, unpacked / 1_000_000);
    let instance = Instance { program, directory, database };
    instance.run(&["user", "create", "reader"])?;
    let path = archive.display().to_string();
    for turn in ["first", "again"] {
        let run = instance.run(&["--json", "bridge", "import", "reader", "twitter", &path])?;
        let answer: serde_json::Value = serde_json::from_str(&run.answer)?;
        ensure!(answer["likes"] == count, "every like was read: {answer}");
        let expected = if turn == "first" { count } else { 0 };
        ensure!(answer["baseline"] == expected && answer["flattrs"] == 0, "{turn}: {answer}");
        let rate = count as f64 / run.elapsed.as_secs_f64();
        println!(
            "{turn}: {:.1} s ({rate:.0} likes a second), peak {} MiB",
            run.elapsed.as_secs_f64(),
            run.peak_kib / 1024
        );
    }
    Ok(())
}

struct Instance<'a> {
    program: &'a Path,
    directory: &'a Path,
    database: Option<&'a str>,
}

struct Run {
    answer: String,
    elapsed: Duration,
    peak_kib: u64,
}

impl Instance<'_> {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        let data = format!("server.data_dir={}", self.directory.join("data").display());
        let mut command = Command::new(self.program);
        command.args(["--set", "server.domain=localhost:21321", "--set", &data]);
        if let Some(url) = self.database {
            command.args(["--set", &format!("database.url={url}")]);
        }
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut peak_kib = 0;
        let ended = loop {
            peak_kib = peak_kib.max(peak_of(&status).unwrap_or(0));
            match child.try_wait()? {
                Some(status) => break status,
                None => std::thread::sleep(LOOK_EVERY),
            }
        };
        let elapsed = begun.elapsed();
        let answer = std::io::read_to_string(child.stdout.take().context("a pipe")?)?;
        if !ended.success() {
            bail!("{arguments:?} failed: {ended}");
        }
        Ok(Run { answer, elapsed, peak_kib })
    }
}

/// The most memory that a process had so far.
fn peak_of(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Writes the archive as a stream; says how many bytes are in it unpacked.
fn write_archive(path: &Path, count: u64) -> anyhow::Result<u64> {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(path)?));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).compression_level(Some(1));
    let account = r#"window.YTD.account.part0 = [{"account":{"accountId":"4503599627370497","username":"reader"}}]"#;
    zip.start_file("data/account.js", options)?;
    zip.write_all(account.as_bytes())?;
    let mut unpacked = account.len() as u64;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut id = 1_300_000_000_000_000_000_u64;
    for part in 0..count.div_ceil(PART) {
        let name = if part == 0 { "data/like.js".to_owned() } else { format!("data/like-part{part}.js") };
        zip.start_file(name, options)?;
        let mut text = format!("window.YTD.like.part{part} = [");
        for number in 0..PART.min(count - part * PART) {
            // Liked in the order of their age, more or less.
            id -= 500_000_000_000 + next() % 1_000_000_000_000;
            let id = id + next() % 20_000_000_000_000;
            let words: Vec<&str> = (0..8 + next() % 16).map(|_| WORDS[(next() % 24) as usize]).collect();
            let comma = if number == 0 { "" } else { "," };
            text.push_str(&format!(
                "{comma}\n  {{\n    \"like\" : {{\n      \"tweetId\" : \"{id}\",\n      \"fullText\" : \"{}\",\n      \
                 \"expandedUrl\" : \"https://twitter.com/i/web/status/{id}\"\n    }}\n  }}",
                words.join(" ")
            ));
            if text.len() > 1 << 20 {
                zip.write_all(text.as_bytes())?;
                unpacked += text.len() as u64;
                text.clear();
            }
        }
        text.push_str("\n]\n");
        zip.write_all(text.as_bytes())?;
        unpacked += text.len() as u64;
    }
    zip.finish()?.flush()?;
    Ok(unpacked)
}
