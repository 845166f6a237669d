//! What policy authors do: build, and test.

pub mod build;
mod cases;
mod compare;
pub mod test;
