//! JSON for policies: a pull parser that collects problems, types that are read with it, and a small tree.
//!
//! Written for guests: an answer costs a few microseconds, so a policy reads just the members that it names straight
//! into its own types. Objects keep the order of the text. Integers are 64 bits, other numbers are finite.

mod dom;
mod read;
mod reader;

pub use dom::{Json, Number};
pub use read::{FromJson, Kind, Scalar};
#[doc(hidden)]
pub use read::{InRange, Length, from_text as read_text};
pub use reader::{Reader, Slot};
