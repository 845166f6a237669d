//! The keys of a log, one after the other.
//!
//! A log begins with one key. A `key.rotated` event names the next one, and the checkpoint that ends with that event is
//! signed by both: the hand-over. Each key speaks only for the time between its hand-overs, so that who finds an old key
//! later cannot sign anything newer with it, and whoever trusts one of the keys can check all of them.

use crate::checkpoint::Checkpoint;
use crate::error::FormatError;
use crate::event::{Body, Event, KeyRotated};
use crate::key::VerifierKey;
use crate::prefix::prefix_root;
use crate::store::ReadStore;
use crate::store_error::StoreError;

/// The keys of a log, the oldest first, each with the sizes of the log that it signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChain {
    current: VerifierKey,
    /// The earlier ones, each with the size up to which it signed: there it handed over to the next.
    earlier: Vec<(VerifierKey, u64)>,
}

impl KeyChain {
    /// The keys of a log, each hand-over checked: the event, both signatures, and that the tree is the log's. Where others
    /// write, in a snapshot: a rotation between two of its questions would look like damage.
    ///
    /// # Errors
    /// [`StoreError`]: the store cannot be read, or a hand-over is not what it should be.
    pub fn of(store: &mut dyn ReadStore) -> Result<KeyChain, StoreError> {
        let identity = store.identity()?;
        let first: VerifierKey = identity
            .verifier_key
            .parse()
            .map_err(|error| StoreError::damaged(format!("the ledger's first key: {error}")))?;
        if first.name() != identity.origin {
            return Err(StoreError::damaged(format!("the key {first} is not named after {}", identity.origin)));
        }
        let mut chain = KeyChain { current: first, earlier: Vec::new() };
        let events = rotations(store)?;
        let notes = store.handovers()?;
        if events.len() != notes.len() {
            let problem = format!("{} keys were rotated, and {} hand-overs are stored", events.len(), notes.len());
            return Err(StoreError::damaged(problem));
        }
        for ((index, leaf), (size, note)) in events.into_iter().zip(notes) {
            let wrong = |problem: String| StoreError::damaged(format!("the hand-over of event {index}: {problem}"));
            if Some(size) != index.checked_add(1) {
                return Err(wrong(format!("the one that is stored ends at {size}")));
            }
            let rotated = rotation(&leaf).map_err(|error| wrong(error.to_string()))?;
            if rotated.previous != *chain.current() {
                return Err(wrong(format!("it is from {}, not from {}", rotated.previous.id(), chain.current().id())));
            }
            for key in [&rotated.previous, &rotated.next] {
                let signed = Checkpoint::open(&note, key).map_err(|error| wrong(error.to_string()))?;
                if signed.size() != size || signed.root() != prefix_root(store, size)? {
                    return Err(wrong("what is signed is another tree".to_owned()));
                }
            }
            chain.current = rotated.next;
            chain.earlier.push((rotated.previous, size));
        }
        Ok(chain)
    }

    /// The key that signs now.
    #[must_use]
    pub fn current(&self) -> &VerifierKey {
        &self.current
    }

    /// Every key, the oldest first.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.earlier.iter().map(|(key, _)| key).chain([&self.current])
    }

    /// The checkpoint in a note that one of the keys signed in its time.
    ///
    /// # Errors
    /// [`FormatError`]: as for [`Checkpoint::open`], and where the key had been handed over before that size, or was not
    /// yet.
    pub fn open(&self, note: &str) -> Result<Checkpoint, FormatError> {
        let (mut from, mut problem) = (0, None);
        let ends = self.earlier.iter().map(|(key, to)| (key, *to)).chain([(&self.current, u64::MAX)]);
        for (key, to) in ends {
            match Checkpoint::open(note, key) {
                Ok(signed) if (from..=to).contains(&signed.size()) => return Ok(signed),
                Ok(signed) => {
                    let what =
                        format!("of {} events, signed by {}, which signs from {from} to {to}", signed.size(), key.id());
                    return Err(FormatError::malformed("checkpoint", what));
                }
                // Another key of the log may have.
                Err(error @ FormatError::Unsigned { .. }) => problem = Some(error),
                Err(error) => return Err(error),
            }
            from = to;
        }
        Err(problem.unwrap_or_else(|| FormatError::malformed("checkpoint", "the log has no key")))
    }
}

/// The `key.rotated` events, the oldest first.
fn rotations(store: &mut dyn ReadStore) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    const PAGE: u32 = 64;
    let (mut all, mut before) = (Vec::new(), u64::MAX);
    loop {
        let page = store.of_kind("key.rotated", before, PAGE)?;
        let Some((oldest, _)) = page.last() else { break };
        before = *oldest;
        all.extend(page);
    }
    all.reverse();
    Ok(all)
}

fn rotation(leaf: &[u8]) -> Result<KeyRotated, FormatError> {
    match Event::decode(leaf)?.body {
        Body::KeyRotated(body) => Ok(*body),
        other => Err(FormatError::malformed("event", format!("expected key.rotated, found {other:?}"))),
    }
}
