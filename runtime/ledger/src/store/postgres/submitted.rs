//! Entries that replicas hand to the one that writes, and its answers: rows of one table.
//!
//! A row is answered in the transaction that appends its entry, so whoever takes over from a writer that died finds it
//! either appended and answered or neither. A replica that gives up takes its row back, and learns whether it could. Until
//! when a row may be taken, by the database's clock, is sealed with it: a copy of one that was taken back is worth nothing
//! when its replica has told its caller that nothing was decided.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_gate::{Outcome, Sha256};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Postgres, failed, get};
use crate::base64::Base64;
use crate::commitment::{Salt, is_keyed_digest, keyed_digest};
use crate::event::Event;
use crate::sequencer::{Appended, Commit};
use crate::store::{Blob, Entry, HistoryAnswer, HistoryQuery, Idempotency, Payload, Submission};
use crate::store_error::StoreError;

/// An entry as a row holds it. What the event says is read from the event.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryRow {
    leaf: Base64,
    blobs: Vec<Base64>,
    request: Option<PayloadRow>,
    decision: Option<PayloadRow>,
    idempotency: Option<(Sha256, Sha256)>,
    history: Vec<(QueryRow, AnswerRow)>,
    references: Vec<Sha256>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadRow {
    salt: Salt,
    bytes: Base64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryRow {
    action: Option<String>,
    resource_type: Option<String>,
    resource_id: Option<String>,
    outcomes: Vec<Outcome>,
    since: Timestamp,
    until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerRow {
    count: u64,
    oldest: Option<Timestamp>,
    latest: Option<Timestamp>,
}

/// What became of an entry, as a row holds it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Committed { index: u64, leaf_hash: Sha256 },
    Repeated { index: u64 },
    Conflict { index: u64 },
    HistoryChanged { question: usize, now: AnswerRow },
    Refused { problem: String },
}

/// What became of a submitted entry.
pub(crate) enum Answered {
    /// As [`Ledger::append`](crate::Ledger::append) says, but that a repeated decision is not read yet.
    Appended(Appended),
    /// It can never be appended.
    Refused(String),
}

/// What replicas and the writer seal rows with: derived from what only they have, so that whoever can write to the database
/// can neither have an event signed that no replica brought, nor tell a replica that its entry is durable.
#[derive(Clone)]
pub(crate) struct Seal(Sha256);

impl Seal {
    pub(crate) fn new(secret: &Sha256) -> Seal {
        Seal(keyed_digest(secret.as_bytes(), b"portcullis submission 2"))
    }

    /// The bytes behind their seal. `what` and `id` are sealed too: no row is another one.
    pub(crate) fn put(&self, what: &str, id: &Uuid, bytes: &[u8]) -> Vec<u8> {
        let seal = keyed_digest(self.0.as_bytes(), &sealed(what, id, bytes));
        [seal.as_bytes(), bytes].concat()
    }

    /// The bytes, where the seal is right.
    pub(crate) fn open<'r>(&self, what: &str, id: &Uuid, row: &'r [u8]) -> Option<&'r [u8]> {
        let (seal, bytes) = row.split_first_chunk::<32>()?;
        is_keyed_digest(self.0.as_bytes(), &sealed(what, id, bytes), seal).then_some(bytes)
    }
}

impl Seal {
    /// An entry that may be taken until then, in microseconds of the database's clock.
    fn put_entry(&self, id: &Uuid, entry: &[u8], ends: i64) -> Vec<u8> {
        self.put(ENTRY, id, &[&ends.to_be_bytes(), entry].concat())
    }

    /// The entry of a row that was taken; what is wrong with it is told to whoever submitted it.
    pub(crate) fn open_entry<'r>(&self, submission: &'r Submission) -> Result<&'r [u8], String> {
        let opened = self.open(ENTRY, &submission.id, &submission.row).and_then(|bytes| bytes.split_first_chunk::<8>());
        let (ends, entry) = opened.ok_or_else(|| "no replica of this ledger submitted it".to_owned())?;
        if submission.taken_at >= i64::from_be_bytes(*ends) {
            return Err("it was taken back, or is too old".to_owned());
        }
        Ok(entry)
    }
}

fn sealed(what: &str, id: &Uuid, bytes: &[u8]) -> Vec<u8> {
    [what.as_bytes(), b"\n", id.as_bytes(), bytes].concat()
}

/// What is sealed.
const ENTRY: &str = "entry";
pub(crate) const ANSWER: &str = "answer";

pub(crate) fn encode_entry(entry: &Entry) -> Result<Vec<u8>, StoreError> {
    let payload = |payload: &Payload| PayloadRow { salt: payload.salt.clone(), bytes: Base64(payload.bytes.clone()) };
    let query = |query: &HistoryQuery| QueryRow {
        action: query.action.clone(),
        resource_type: query.resource_type.clone(),
        resource_id: query.resource_id.clone(),
        outcomes: query.outcomes.clone(),
        since: query.since,
        until: query.until,
    };
    let row = EntryRow {
        leaf: Base64(entry.event.leaf.clone()),
        blobs: entry.blobs.iter().map(|blob| Base64(blob.bytes().to_vec())).collect(),
        request: entry.request.as_ref().map(payload),
        decision: entry.decision.as_ref().map(payload),
        idempotency: entry.idempotency.map(|idempotency| (idempotency.key, idempotency.request)),
        history: entry.expected_history.iter().map(|(asked, told)| (query(asked), AnswerRow::of(told))).collect(),
        references: entry.references.clone(),
    };
    serde_json::to_vec(&row).map_err(|error| StoreError::refused(error.to_string()))
}

/// The entry of a row. What is wrong with it is told to whoever submitted it.
pub(crate) fn decode_entry(bytes: &[u8]) -> Result<Entry, String> {
    let row: EntryRow = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let event = Event::decode(&row.leaf.0).map_err(|error| error.to_string())?;
    let payload = |row: PayloadRow| Payload { salt: row.salt, bytes: row.bytes.0 };
    let query = |row: QueryRow| HistoryQuery {
        action: row.action,
        resource_type: row.resource_type,
        resource_id: row.resource_id,
        outcomes: row.outcomes,
        since: row.since,
        until: row.until,
    };
    let mut entry = Entry::new(&event).map_err(|error| error.to_string())?;
    // What the event itself names is required whatever the row says.
    entry.references.extend(row.references);
    Ok(Entry {
        blobs: row.blobs.into_iter().map(|blob| Blob::new(blob.0)).collect(),
        request: row.request.map(payload),
        decision: row.decision.map(payload),
        idempotency: row.idempotency.map(|(key, request)| Idempotency { key, request }),
        expected_history: row.history.into_iter().map(|(asked, told)| (query(asked), told.answer())).collect(),
        ..entry
    })
}

impl AnswerRow {
    fn of(answer: &HistoryAnswer) -> AnswerRow {
        AnswerRow { count: answer.count, oldest: answer.oldest, latest: answer.latest }
    }

    fn answer(self) -> HistoryAnswer {
        HistoryAnswer { count: self.count, oldest: self.oldest, latest: self.latest }
    }
}

pub(crate) fn encode_answer(answer: &Result<Appended, StoreError>) -> Result<Vec<u8>, StoreError> {
    let row = match answer {
        Ok(Appended::Committed(commit)) => Answer::Committed { index: commit.index, leaf_hash: commit.leaf_hash },
        Ok(Appended::Repeated { index, .. }) => Answer::Repeated { index: *index },
        Ok(Appended::Conflict { index }) => Answer::Conflict { index: *index },
        Ok(Appended::HistoryChanged { question, now }) => {
            Answer::HistoryChanged { question: *question, now: AnswerRow::of(now) }
        }
        Err(StoreError::Refused { problem }) => Answer::Refused { problem: problem.clone() },
        Err(error) => Answer::Refused { problem: error.to_string() },
    };
    serde_json::to_vec(&row).map_err(|error| StoreError::damaged(error.to_string()))
}

fn decode_answer(bytes: &[u8]) -> Result<Answered, StoreError> {
    let row = serde_json::from_slice(bytes).map_err(|error| StoreError::damaged(format!("an answer: {error}")))?;
    Ok(Answered::Appended(match row {
        Answer::Committed { index, leaf_hash } => {
            Appended::Committed(Commit { index, leaf_hash, scrub_pending: false })
        }
        Answer::Repeated { index } => Appended::Repeated { index, decision: None },
        Answer::Conflict { index } => Appended::Conflict { index },
        Answer::HistoryChanged { question, now } => Appended::HistoryChanged { question, now: now.answer() },
        Answer::Refused { problem } => return Ok(Answered::Refused(problem)),
    }))
}

impl Postgres {
    /// The channel on which submissions, or answers, are announced.
    fn channel(&self, what: &str) -> String {
        format!("{}_{what}", self.schema)
    }

    /// From now on [`Postgres::heard`] waits for announcements.
    pub(crate) fn listen(&mut self, what: &str) -> Result<(), StoreError> {
        let channel = self.channel(what);
        self.client.batch_execute(&format!("LISTEN {channel}")).map_err(failed("listening"))
    }

    /// Waits for an announcement, at most for `time`.
    pub(crate) fn heard(&mut self, time: Duration) -> Result<bool, StoreError> {
        self.client.announced(time).map_err(failed("listening"))
    }

    /// Hands entries to the writer, under their seals. It may take them for `wait` from `since` on, which is no later than
    /// when the replica takes them back.
    pub(crate) fn submit(
        &mut self,
        entries: &[(Uuid, Vec<u8>)],
        seal: &Seal,
        by: &str,
        (since, wait): (Instant, Duration),
    ) -> Result<(), StoreError> {
        let now = self.client.query_one(CLOCK, &[]).map_err(failed("submitting"))?;
        let left = i64::try_from(wait.saturating_sub(since.elapsed()).as_micros()).unwrap_or(i64::MAX);
        let ends = get::<i64>(&now, 0)?.saturating_add(left);
        let sealed: Vec<Vec<u8>> = entries.iter().map(|(id, entry)| seal.put_entry(id, entry, ends)).collect();
        let ids: Vec<&[u8]> = entries.iter().map(|(id, _)| id.as_bytes().as_slice()).collect();
        let rows: Vec<&[u8]> = sealed.iter().map(Vec::as_slice).collect();
        let text = "INSERT INTO pending(id, entry, submitted_by, ends) \
                    SELECT id, entry, $3, to_timestamp($4::float8 / 1000000) \
                    FROM unnest($1::bytea[], $2::bytea[]) AS new(id, entry)";
        self.execute(text, &[&ids, &rows, &by, &(ends as f64)]).map_err(failed("submitting"))?;
        self.announce("submitted")
    }

    /// The answers that are there, of submissions with these ids.
    pub(crate) fn answers(&mut self, ids: &[Uuid], seal: &Seal) -> Result<Vec<(Uuid, Answered)>, StoreError> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        let text = "SELECT id, answer FROM pending WHERE id = ANY($1) AND answer IS NOT NULL";
        self.many(text, &[&ids], |row| {
            let (id, answer): (Uuid, Vec<u8>) = (id_of(get(row, 0)?)?, get(row, 1)?);
            let answer = seal.open(ANSWER, &id, &answer);
            let answer = answer.ok_or_else(|| StoreError::damaged("an answer that no replica of this ledger gave"))?;
            Ok((id, decode_answer(answer)?))
        })
    }

    /// Takes submissions back that nobody answered; gives those that could be taken back, which are appended by nobody.
    pub(crate) fn withdraw(&mut self, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        let text = "DELETE FROM pending WHERE id = ANY($1) AND answer IS NULL RETURNING id";
        self.many(text, &[&ids], |row| id_of(get(row, 0)?))
    }

    /// Forgets submissions whose answers were read.
    pub(crate) fn forget(&mut self, ids: &[Uuid]) -> Result<(), StoreError> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        self.execute("DELETE FROM pending WHERE id = ANY($1)", &[&ids]).map_err(failed("forgetting"))?;
        Ok(())
    }

    pub(super) fn taken(&mut self, limit: usize) -> Result<Vec<Submission>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Whoever vanished gets no decision later that nobody waits for. The column is not sealed: the row's own end is.
        let text = "SELECT id, entry FROM pending WHERE answer IS NULL AND ends > clock_timestamp() \
                    ORDER BY no LIMIT $1 FOR UPDATE SKIP LOCKED";
        let rows: Vec<(Uuid, Vec<u8>)> = self.many(text, &[&limit], |row| Ok((id_of(get(row, 0)?)?, get(row, 1)?)))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // After the rows are locked: a replica that found its row unlocked took it back before this time.
        let now = self.client.query_one(CLOCK, &[]).map_err(failed("taking submissions"))?;
        let taken_at = get(&now, 0)?;
        Ok(rows.into_iter().map(|(id, row)| Submission { id, row, taken_at }).collect())
    }

    /// Forgets what nobody waits for any more: requests and decisions are in these rows, out of reach of an erasure.
    pub(super) fn purge(&mut self) -> Result<(), StoreError> {
        let text = "DELETE FROM pending WHERE ends < clock_timestamp() - interval '10 minutes' \
                    OR (answer IS NULL AND ends < clock_timestamp() - $1 * interval '1 second')";
        self.execute(text, &[&PURGED_AFTER.as_secs_f64()]).map_err(failed("forgetting"))?;
        Ok(())
    }

    pub(super) fn answered(&mut self, answers: &[(Uuid, Vec<u8>)]) -> Result<(), StoreError> {
        if answers.is_empty() {
            return Ok(());
        }
        let ids: Vec<&[u8]> = answers.iter().map(|(id, _)| id.as_bytes().as_slice()).collect();
        let rows: Vec<&[u8]> = answers.iter().map(|(_, answer)| answer.as_slice()).collect();
        // What was submitted is in the ledger now, or refused: its bytes are not kept twice.
        let text = "UPDATE pending SET answer = new.answer, entry = '' \
                    FROM unnest($1::bytea[], $2::bytea[]) AS new(id, answer) WHERE pending.id = new.id";
        let changed = self.execute(text, &[&ids, &rows]).map_err(failed("answering"))?;
        if usize::try_from(changed).ok() != Some(answers.len()) {
            return Err(StoreError::damaged("a submission that was taken is gone"));
        }
        self.announce("answered")
    }

    fn announce(&mut self, what: &str) -> Result<(), StoreError> {
        let channel = self.channel(what);
        self.client.execute("SELECT pg_notify($1, '')", &[&channel]).map_err(failed("announcing"))?;
        Ok(())
    }
}

/// The database's clock, in microseconds.
const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// How long after their end submissions stay that nobody took or took back: their replica died.
const PURGED_AFTER: Duration = Duration::from_secs(15);

fn id_of(bytes: Vec<u8>) -> Result<Uuid, StoreError> {
    Uuid::from_slice(&bytes).map_err(|_| StoreError::damaged("a submission's id has not 16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_one_row_of_one_ledger() {
        let (seal, other) = (Seal::new(&Sha256::of(b"one")), Seal::new(&Sha256::of(b"two")));
        let (id, id_of_other) = (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16]));
        let row = seal.put(ENTRY, &id, b"bytes");
        assert_eq!(seal.open(ENTRY, &id, &row), Some(&b"bytes"[..]));
        assert_eq!(other.open(ENTRY, &id, &row), None);
        assert_eq!(seal.open(ANSWER, &id, &row), None);
        assert_eq!(seal.open(ENTRY, &id_of_other, &row), None);
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(ENTRY, &id, &changed), None);
            assert_eq!(seal.open(ENTRY, &id, &row[..at]), None);
        }
    }

    #[test]
    fn an_entry_is_opened_until_its_end_and_no_longer() {
        let (seal, id) = (Seal::new(&Sha256::of(b"one")), Uuid::from_bytes([1; 16]));
        let at = |row: &[u8], taken_at| {
            let submission = Submission { id, row: row.to_vec(), taken_at };
            seal.open_entry(&submission).map(<[u8]>::to_vec)
        };
        let row = seal.put_entry(&id, b"bytes", 1_000);
        assert_eq!(at(&row, 999), Ok(b"bytes".to_vec()));
        for late in [1_000, i64::MAX] {
            assert!(at(&row, late).is_err_and(|problem| problem.contains("too old")));
        }
        // Nobody gives a row another end.
        for n in 32..40 {
            let mut changed = row.clone();
            changed[n] ^= 0x7f;
            assert!(at(&changed, 999).is_err_and(|problem| problem.contains("no replica")));
        }
        assert!(at(&seal.put(ENTRY, &id, b"short"), 0).is_err());
    }

    #[test]
    fn what_is_no_entry_is_told() {
        let empty = r#"{"leaf":"e30=","blobs":[],"request":null,"decision":null,"idempotency":null,"history":[],"references":[]}"#;
        for bytes in ["", "{}", "not json", empty] {
            assert!(decode_entry(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }
}
