//! What policy authors do: begin, build, and test.

pub mod build;
mod cases;
mod compare;
pub mod new;
pub mod test;
