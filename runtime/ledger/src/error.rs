/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// More than is read or written.
    #[error("{what}: {bytes} bytes, at most {limit} are taken")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Not of the form.
    #[error("{what}: {problem}")]
    Malformed {
        /// Of what.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The value is readable, but not in its one spelling.
    #[error("{what}: not in canonical form at byte {at}")]
    NotCanonical {
        /// Of what.
        what: &'static str,
        /// The first byte that differs from the canonical form.
        at: usize,
    },
    /// No signature of the key.
    #[error("{what}: not signed by {key}")]
    Unsigned {
        /// Of what.
        what: &'static str,
        /// Name and hash of the key.
        key: String,
    },
    /// A signature that says it is of the key and is not.
    #[error("{what}: the signature of {key} is wrong")]
    Signature {
        /// Of what.
        what: &'static str,
        /// Name and hash of the key.
        key: String,
    },
}

impl FormatError {
    /// What of something is not of its form.
    pub fn malformed(what: &'static str, problem: impl Into<String>) -> FormatError {
        FormatError::Malformed { what, problem: problem.into() }
    }

    pub(crate) fn check_size(what: &'static str, bytes: usize, limit: usize) -> Result<(), FormatError> {
        if bytes > limit { Err(FormatError::TooLarge { what, bytes, limit }) } else { Ok(()) }
    }
}

/// Something readable that is not true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes are not of the form.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// No such leaf in a tree of that size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's number, from 0.
        index: u64,
        /// How many leaves the tree has.
        size: u64,
    },
    /// A tree only grows.
    #[error("a tree of {old} leaves is no prefix of one of {new}")]
    Shrunk {
        /// Leaves of the earlier tree.
        old: u64,
        /// Leaves of the later tree.
        new: u64,
    },
    /// A proof has as many hashes as the sizes say, no more and no less.
    #[error("the proof has {found} hashes instead of {expected}")]
    ProofLength {
        /// How many the sizes ask for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof does not lead to the root of the tree")]
    Root,
    /// The proof leads to another root of the earlier tree.
    #[error("the proof does not lead to the root of the earlier tree")]
    OldRoot,
    /// Two places that must say the same do not.
    #[error("{what} is not what {reference} says")]
    Mismatch {
        /// Which value.
        what: &'static str,
        /// What it was compared with.
        reference: &'static str,
    },
}
