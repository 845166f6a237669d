//! What parent and child say to each other, over a socket: one order, one answer.
//!
//! ```text
//! order   MAGIC  cpu_s  memory_bytes  file_bytes   (8 bytes each, little-endian: read before anything else, for the limits)
//!         frame(JSON: work, engine, effort, memory, limits)  frame(entry key)  frame(settings)  frame(module)
//!         frame(code)                              (only where the work is to bind prepared code)
//! answer  frame(JSON: {"compiled":{}} or {"refused":{"fault":..,"cause":..,"detail":..}})
//! frame   length as 4 bytes, little-endian; that many bytes
//! ```
//!
//! Each side bounds every frame before it takes the bytes.

use std::io::{self, Read, Write};

use portcullis_gate::{Fault, Limits, MAX_DOCUMENT_BYTES, MAX_MODULE_MIB, Sha256, text};
use serde::{Deserialize, Serialize};

use super::Work;
use crate::cache::{ENTRY_KEY_BYTES, EntryKey, MAX_ENTRY_BYTES};
use crate::{Effort, LoadError};

const MAGIC: [u8; 8] = *b"PCOMPIL2";

const MAX_JSON_BYTES: usize = 64 * 1024;
const MAX_MODULE_BYTES: usize = (MAX_MODULE_MIB as usize) << 20;
const MAX_CODE_BYTES: usize = MAX_ENTRY_BYTES as usize;
/// Longest text of a refusal. Escaped as JSON, it is six times as long at most, and fits into the answer.
const MAX_DETAIL_BYTES: usize = 8 * 1024;

/// Limits on the child, as resource limits of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rlimits {
    pub(super) cpu_s: u64,
    pub(super) memory_bytes: u64,
    pub(super) file_bytes: u64,
}

/// What is to be compiled.
pub(super) struct Order<'a> {
    pub(super) engine: Sha256,
    pub(super) effort: Effort,
    /// Largest memory in any sandbox of the engine that will evaluate: what it cannot run must not be compiled for it.
    pub(super) max_memory_bytes: u64,
    pub(super) limits: Limits,
    pub(super) key: EntryKey,
    pub(super) settings: &'a str,
    pub(super) module: &'a [u8],
    pub(super) work: Work<'a>,
}

/// An order, as the child has it.
pub(super) struct Received {
    pub(super) engine: Sha256,
    pub(super) effort: Effort,
    pub(super) max_memory_bytes: u64,
    pub(super) limits: Limits,
    pub(super) key: EntryKey,
    pub(super) settings: String,
    pub(super) module: Vec<u8>,
    pub(super) work: ReceivedWork,
}

/// [`Work`], as the child has it.
pub(super) enum ReceivedWork {
    Prepare,
    Bind { code: Option<Vec<u8>> },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WorkJson {
    Prepare,
    Bind,
    BindPrepared,
}

/// What came of it. `Ok`: the entry is in the file.
pub(super) type Answer = Result<(), LoadError>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderJson {
    work: WorkJson,
    engine: Sha256,
    effort: Effort,
    max_memory_bytes: u64,
    #[serde(with = "LimitsJson")]
    limits: Limits,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum AnswerJson {
    Compiled {},
    Refused { fault: Fault, cause: Option<Fault>, detail: String },
}

/// [`Limits`] field by field: a new one does not compile here until it is passed on.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Limits", deny_unknown_fields)]
struct LimitsJson {
    fuel: u64,
    time_ms: u64,
    memory_bytes: u64,
    table_elements: u64,
    instances: u64,
    result_bytes: u64,
    log_bytes: u64,
    host_calls: u64,
    host_call_bytes: u64,
    module_bytes: u64,
    configure_fuel: u64,
    configure_time_ms: u64,
}

impl Rlimits {
    pub(super) fn write(self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&MAGIC)?;
        for number in [self.cpu_s, self.memory_bytes, self.file_bytes] {
            to.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Rlimits> {
        if array::<8>(from)? != MAGIC {
            return Err(malformed("not an order of this version of portcullis"));
        }
        let mut number = || array(from).map(u64::from_le_bytes);
        Ok(Rlimits { cpu_s: number()?, memory_bytes: number()?, file_bytes: number()? })
    }
}

impl Order<'_> {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (work, code) = match self.work {
            Work::Prepare => (WorkJson::Prepare, None),
            Work::Bind { code: None } => (WorkJson::Bind, None),
            Work::Bind { code: Some(code) } => (WorkJson::BindPrepared, Some(code)),
        };
        let json = OrderJson {
            work,
            engine: self.engine,
            effort: self.effort,
            max_memory_bytes: self.max_memory_bytes,
            limits: self.limits,
        };
        write_frame(to, &serde_json::to_vec(&json)?)?;
        write_frame(to, &self.key.0)?;
        write_frame(to, self.settings.as_bytes())?;
        write_frame(to, self.module)?;
        code.map_or(Ok(()), |code| write_frame(to, code))
    }
}

impl Received {
    pub(super) fn read(from: &mut impl Read) -> io::Result<Received> {
        let json: OrderJson = serde_json::from_slice(&read_frame(from, MAX_JSON_BYTES)?)?;
        let key = <[u8; ENTRY_KEY_BYTES]>::try_from(read_frame(from, ENTRY_KEY_BYTES)?);
        let key = EntryKey(key.map_err(|_| malformed("not a key"))?);
        let settings = String::from_utf8(read_frame(from, MAX_DOCUMENT_BYTES)?);
        let settings = settings.map_err(|_| malformed("settings that are not UTF-8"))?;
        let module = read_frame(from, MAX_MODULE_BYTES)?;
        let OrderJson { work, engine, effort, max_memory_bytes, limits } = json;
        let work = match work {
            WorkJson::Prepare => ReceivedWork::Prepare,
            WorkJson::Bind => ReceivedWork::Bind { code: None },
            WorkJson::BindPrepared => ReceivedWork::Bind { code: Some(read_frame(from, MAX_CODE_BYTES)?) },
        };
        Ok(Received { engine, effort, max_memory_bytes, limits, key, settings, module, work })
    }
}

pub(super) fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let json = match answer {
        Ok(()) => AnswerJson::Compiled {},
        Err(LoadError { fault, cause, detail }) => {
            AnswerJson::Refused { fault: Fault::Load(*fault), cause: *cause, detail: cut(detail).to_owned() }
        }
    };
    write_frame(to, &serde_json::to_vec(&json)?)
}

/// Reads an answer and the end of the stream after it.
///
/// # Errors
/// `InvalidData`: not an answer. `UnexpectedEof`: none, or a part of one. Others: as the stream has them.
pub(super) fn read_answer(from: &mut impl Read) -> io::Result<Answer> {
    let answer: AnswerJson =
        serde_json::from_slice(&read_frame(from, MAX_JSON_BYTES)?).map_err(|_| malformed("not an answer"))?;
    match from.read(&mut [0]) {
        // Reset, where the other side ended before it had read its order to the end.
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Ok(_) => return Err(malformed("more than an answer")),
        Err(error) => return Err(error),
    }
    match answer {
        AnswerJson::Compiled {} => Ok(Ok(())),
        AnswerJson::Refused { fault: Fault::Load(fault), cause, detail } => {
            let detail: Vec<String> = cut(&detail).lines().map(|line| text::escaped(line, MAX_DETAIL_BYTES)).collect();
            Ok(Err(LoadError { fault, cause, detail: detail.join("\n") }))
        }
        AnswerJson::Refused { .. } => Err(malformed("a refusal that is no refusal to load")),
    }
}

fn write_frame(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| malformed("too long a frame"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)
}

fn read_frame(from: &mut impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(array(from)?);
    if u64::from(length) > limit as u64 {
        return Err(malformed("too long a frame"));
    }
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn cut(detail: &str) -> &str {
    let mut end = detail.len().min(MAX_DETAIL_BYTES);
    while !detail.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    detail.get(..end).unwrap_or_default()
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use portcullis_gate::LoadFault;

    use super::*;

    fn order(work: Work<'_>) -> Vec<u8> {
        let order = Order {
            engine: Sha256::of(b"engine"),
            effort: Effort::Draft,
            max_memory_bytes: 5,
            limits: Limits { fuel: 7, ..Limits::default() },
            key: EntryKey([3; ENTRY_KEY_BYTES]),
            settings: "{\"a\":1}",
            module: b"module",
            work,
        };
        let mut bytes = Vec::new();
        order.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_order_arrives_whole_or_not_at_all() {
        let bytes = order(Work::Bind { code: Some(b"code") });
        let received = Received::read(&mut bytes.as_slice()).unwrap();
        assert_eq!((received.engine, received.max_memory_bytes), (Sha256::of(b"engine"), 5));
        assert_eq!(received.limits, Limits { fuel: 7, ..Limits::default() });
        assert_eq!((received.settings.as_str(), received.module.as_slice()), ("{\"a\":1}", b"module".as_slice()));
        assert_eq!(received.key.0, [3; ENTRY_KEY_BYTES]);
        assert!(matches!(received.work, ReceivedWork::Bind { code: Some(code) } if code == b"code"));
        for (work, is_it) in [
            (Work::Prepare, (|work| matches!(work, ReceivedWork::Prepare)) as fn(ReceivedWork) -> bool),
            (Work::Bind { code: None }, |work| matches!(work, ReceivedWork::Bind { code: None })),
        ] {
            assert!(is_it(Received::read(&mut order(work).as_slice()).unwrap().work));
        }
        for length in 0..bytes.len() {
            assert!(Received::read(&mut &bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn limits_arrive_and_nothing_else_is_taken_for_them() {
        let limits = Rlimits { cpu_s: 1, memory_bytes: 2, file_bytes: 3 };
        let mut bytes = Vec::new();
        limits.write(&mut bytes).unwrap();
        assert_eq!(Rlimits::read(&mut bytes.as_slice()).unwrap(), limits);
        bytes[7] ^= 1;
        assert_eq!(Rlimits::read(&mut bytes.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn answers_are_bounded_escaped_and_of_the_closed_list() {
        let sent = LoadError {
            fault: LoadFault::Configure,
            cause: Some(Fault::Fuel),
            detail: format!("one\x1b[2J\ntwo{}", "é".repeat(MAX_DETAIL_BYTES)),
        };
        let mut bytes = Vec::new();
        write_answer(&mut bytes, &Err(sent)).unwrap();
        let error = read_answer(&mut bytes.as_slice()).unwrap().unwrap_err();
        assert_eq!((error.fault, error.cause), (LoadFault::Configure, Some(Fault::Fuel)));
        assert!(error.detail.starts_with("one\\u{1b}[2J\ntwoé"), "{:?}", error.detail.get(..40));
        assert!(error.detail.len() <= 2 * MAX_DETAIL_BYTES);

        let mut bytes = Vec::new();
        write_answer(&mut bytes, &Ok(())).unwrap();
        assert_eq!(read_answer(&mut bytes.as_slice()).unwrap(), Ok(()));
        for length in 0..bytes.len() {
            let error = read_answer(&mut &bytes[..length]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} bytes");
        }
        bytes.push(0);
        assert_eq!(read_answer(&mut bytes.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        for json in [
            "",
            "{}",
            "{\"compiled\":",
            "{\"compiled\":{\"a\":1}}",
            "{\"refused\":{\"fault\":\"fault.fuel\",\"cause\":null,\"detail\":\"\"}}",
            "{\"refused\":{\"fault\":\"load.nothing\",\"cause\":null,\"detail\":\"\"}}",
            "{\"compiled\":{}}{\"compiled\":{}}",
        ] {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, json.as_bytes()).unwrap();
            assert_eq!(read_answer(&mut bytes.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{json}");
        }
        let endless = [u8::MAX; 8];
        assert_eq!(read_answer(&mut endless.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
