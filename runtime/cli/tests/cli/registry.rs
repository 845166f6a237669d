//! Policies through a real registry: Debian's `docker-registry`, on a port of this machine, in a temporary folder.
//!
//! Where it, or `skopeo`, is not installed (`tools/registry-tools.sh`), the tests say SKIPPED past the harness's capture;
//! with `PORTCULLIS_REGISTRY_TESTS=required` that is a failure.

mod moved;
mod server;
mod sets;
mod third_party;
