//! Policies through a real registry: Debian's `docker-registry`, on a port of this machine, in a temporary folder.
//!
//! Where it, or `skopeo`, is not installed (`make test-tools`), the tests are skipped; `portcullis-skip` says what
//! becomes of that.

mod moved;
mod proxied;
mod server;
mod sets;
mod third_party;
