//! A disk that loses what was not synced, driven by the calls that a process made.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// Neither names nor contents that no sync followed.
    Nothing,
    /// Every name, and no content that no sync followed.
    Names,
    /// Every name, and every other write.
    EveryOther,
    All,
}

pub enum Call {
    Write { file: String, offset: Option<u64>, bytes: Vec<u8> },
    Truncate { file: String, length: u64 },
    Create { file: String, truncated: bool },
    Rename { from: String, to: String },
    Link { from: String, to: String },
    Unlink(String),
    Sync(String),
    Say(String),
}

impl Call {
    pub fn parse(line: &str, folder: &Path) -> Option<Call> {
        let (call, result) = line.split_once(' ')?.1.trim_start().rsplit_once(" = ")?;
        if result.starts_with('-') {
            return None;
        }
        let (name, arguments) = call.split_once('(')?;
        let arguments = arguments.trim_end().strip_suffix(')')?;
        let inside = |path: &str| Path::new(path).strip_prefix(folder).ok()?.to_str().map(str::to_owned);
        // `5</path>` for a descriptor, also as hex with -xx.
        let descriptor = || Some(unhex_path(arguments.split_once('<')?.1.split_once('>')?.0));
        let quoted: Vec<Vec<u8>> = arguments.split('"').skip(1).step_by(2).map(unhex).collect();
        let text = |n: usize| quoted.get(n).map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        match name {
            "write" if arguments.starts_with("1<") => Some(Call::Say(text(0)?)),
            "write" | "pwrite64" => {
                let file = inside(&descriptor()?)?;
                let offset = if name == "write" { None } else { Some(arguments.rsplit_once(", ")?.1.parse().ok()?) };
                Some(Call::Write { file, offset, bytes: quoted.into_iter().next()? })
            }
            "ftruncate" => {
                let file = inside(&descriptor()?)?;
                Some(Call::Truncate { file, length: arguments.rsplit_once(", ")?.1.parse().ok()? })
            }
            "fsync" | "fdatasync" => inside(&descriptor()?).map(Call::Sync),
            "openat" if arguments.contains("O_CREAT") => {
                Some(Call::Create { file: inside(&text(0)?)?, truncated: arguments.contains("O_TRUNC") })
            }
            "rename" | "renameat" | "renameat2" => {
                Some(Call::Rename { from: inside(&text(0)?)?, to: inside(&text(1)?)? })
            }
            "link" | "linkat" => Some(Call::Link { from: inside(&text(0)?)?, to: inside(&text(1)?)? }),
            "unlink" | "unlinkat" => inside(&text(0)?).map(Call::Unlink),
            _ => None,
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn unhex_path(text: &str) -> String {
    if text.starts_with("\\x") { String::from_utf8(unhex(text)).unwrap() } else { text.to_owned() }
}

/// The log's lines with each call that another thread interrupted put together again.
pub fn joined(text: &str) -> Vec<String> {
    let mut pending: BTreeMap<&str, &str> = BTreeMap::new();
    let mut whole = Vec::new();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            pending.insert(thread, begun);
        } else if call.trim_start().starts_with("<... ") {
            let begun = pending.remove(thread).unwrap_or("");
            let rest = call.split_once(" resumed>").map_or("", |(_, rest)| rest);
            whole.push(format!("{thread} {}{rest}", begun.trim_start()));
        } else {
            whole.push(line.to_owned());
        }
    }
    whole
}

/// Files as a disk has them: what was synced, and the changes since. Names likewise: those of the last sync of the folder,
/// and those of now.
#[derive(Clone, Default)]
pub struct Disk {
    files: Vec<DiskFile>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
}

#[derive(Clone, Default)]
struct DiskFile {
    synced: Vec<u8>,
    since: Vec<(u64, Option<Vec<u8>>)>,
    end: u64,
}

impl Disk {
    pub fn read(folder: &Path) -> Disk {
        let mut disk = Disk::default();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let file = disk.file(&entry.file_name().into_string().unwrap());
            file.synced = std::fs::read(entry.path()).unwrap();
            file.end = u64::try_from(file.synced.len()).unwrap();
        }
        disk.synced_names = disk.names.clone();
        disk
    }

    /// The file of that name, made where there is none.
    fn file(&mut self, name: &str) -> &mut DiskFile {
        let next = self.files.len();
        let at = *self.names.entry(name.to_owned()).or_insert(next);
        if at == next {
            self.files.push(DiskFile::default());
        }
        &mut self.files[at]
    }

    pub fn apply(&mut self, call: Call) {
        match call {
            Call::Write { file, offset, bytes } => {
                let file = self.file(&file);
                let offset = offset.unwrap_or(file.end);
                file.end = file.end.max(offset + u64::try_from(bytes.len()).unwrap());
                file.since.push((offset, Some(bytes)));
            }
            Call::Truncate { file, length } => {
                let file = self.file(&file);
                file.end = length;
                file.since.push((length, None));
            }
            Call::Create { file, truncated } => {
                let file = self.file(&file);
                if truncated {
                    file.end = 0;
                    file.since.push((0, None));
                }
            }
            Call::Rename { from, to } => {
                let file = self.names.remove(&from).unwrap();
                self.names.insert(to, file);
            }
            Call::Link { from, to } => {
                let file = self.names[&from];
                self.names.insert(to, file);
            }
            Call::Unlink(file) => drop(self.names.remove(&file)),
            Call::Sync(folder) if folder.is_empty() => self.synced_names = self.names.clone(),
            Call::Sync(file) => {
                let file = self.file(&file);
                file.synced = file.content(Kept::All);
                file.since.clear();
            }
            Call::Say(_) => {}
        }
    }

    pub fn write(&self, folder: &Path, kept: Kept) {
        let names = if matches!(kept, Kept::Nothing) { &self.synced_names } else { &self.names };
        // The WAL's index is shared memory, made anew from the WAL.
        for (name, file) in names.iter().filter(|(name, _)| !name.ends_with("-shm")) {
            let mut options = std::fs::OpenOptions::new();
            let mut made = options.write(true).create_new(true).mode(0o600).open(folder.join(name)).unwrap();
            made.write_all(&self.files[*file].content(kept)).unwrap();
        }
    }
}

impl DiskFile {
    fn content(&self, kept: Kept) -> Vec<u8> {
        let mut content = self.synced.clone();
        for (n, (offset, bytes)) in self.since.iter().enumerate() {
            match kept {
                Kept::Nothing | Kept::Names => break,
                Kept::EveryOther if n % 2 == 0 => continue,
                Kept::EveryOther | Kept::All => {}
            }
            let offset = usize::try_from(*offset).unwrap();
            match bytes {
                Some(bytes) => {
                    content.resize(content.len().max(offset + bytes.len()), 0);
                    content[offset..offset + bytes.len()].copy_from_slice(bytes);
                }
                None => content.resize(offset, 0),
            }
        }
        content
    }
}
