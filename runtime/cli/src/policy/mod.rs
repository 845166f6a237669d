//! What policy authors do: begin, build, test, and move components to and from registries.

pub mod build;
mod cases;
mod compare;
pub mod fetch;
pub mod new;
pub mod push;
pub mod test;
