//! Systems without the means to limit a child: there, a host must choose [`CompileIn::ThisProcess`](super::CompileIn) by
//! itself.

use portcullis_gate::Sha256;

use super::Work;
use crate::{EngineOptions, LoadError, PolicySource};

pub(crate) enum Compiler {}

impl Compiler {
    pub(crate) fn new(_options: &EngineOptions) -> Result<Compiler, String> {
        Err("this system cannot limit a process; set `EngineOptions::compile_in` to `CompileIn::ThisProcess`, for modules \
             that are trusted"
            .into())
    }
}

pub(crate) fn compile(
    compiler: &Compiler,
    _engine: &Sha256,
    _module: &[u8],
    _source: &PolicySource<'_>,
    _work: Work<'_>,
) -> Result<Vec<u8>, LoadError> {
    match *compiler {}
}
