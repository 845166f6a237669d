//! Blobs and tiles in an object store: S3, GCS, Azure, or whatever else implements
//! [`object_store::ObjectStore`].
//!
//! What writes them makes the store, with its credentials and retries. A store must know create-if-absent
//! ([`PutMode::Create`]); one that does not answers with an error, and nothing is overwritten.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use object_store::path::Path as Key;
use object_store::{Error, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload};

use crate::files::{Files, check_length, check_name, same};
use crate::store_error::StoreError;

/// Objects below a prefix, written once.
#[derive(Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    runtime: tokio::runtime::Runtime,
}

impl Objects {
    /// Objects below `prefix`, such as `logs/production`; the empty prefix is the whole store. Calls block; they may be
    /// made from any thread, but not from a future.
    ///
    /// # Errors
    /// [`StoreError::Io`]: no thread for the store's requests.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Objects, StoreError> {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => {
                check_name(prefix)?;
                format!("{prefix}/")
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ledger-objects")
            .enable_all()
            .build()
            .map_err(|e| StoreError::io(Path::new("object store"), "starting a thread", e))?;
        Ok(Objects { store, prefix, runtime })
    }

    fn put_with(&self, name: &str, bytes: &[u8], mode: PutMode) -> Result<Result<(), Error>, StoreError> {
        let (store, key) = (Arc::clone(&self.store), self.key(name)?);
        let payload = PutPayload::from(bytes.to_vec());
        let put = async move { store.put_opts(&key, payload, PutOptions::from(mode)).await.map(|_| ()) };
        self.wait(name, put)
    }

    fn key(&self, name: &str) -> Result<Key, StoreError> {
        check_name(name)?;
        let key = Key::parse(format!("{}{name}", self.prefix));
        key.map_err(|e| StoreError::file(Path::new(name), e.to_string()))
    }

    /// Runs a request on the store's own thread, so that it does not matter which thread asks.
    fn wait<T: Send + 'static>(
        &self,
        name: &str,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever asked waits for it.
            let _ = answer.send(request.await);
        });
        answered.recv().map_err(|_| failed(name, "the request was given up"))
    }
}

impl Files for Objects {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        match self.put_with(name, bytes, PutMode::Create)? {
            Ok(()) => Ok(true),
            Err(Error::AlreadyExists { .. }) => {
                let found = self.get(name)?.ok_or_else(|| failed(name, "it is there, and then it is not"))?;
                same(Path::new(name), &found, bytes)
            }
            Err(e) => Err(failed(name, e)),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put_with(name, bytes, PutMode::Overwrite)?.map_err(|e| failed(name, e))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (store, key) = (Arc::clone(&self.store), self.key(name)?);
        let path = Path::new(name).to_owned();
        let request = async move {
            let found = match store.get_opts(&key, GetOptions::default()).await {
                Ok(found) => found,
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(e) => return Err(StoreError::file(&path, e.to_string())),
            };
            check_length(&path, found.meta.size)?;
            let bytes = found.bytes().await.map_err(|e| StoreError::file(&path, e.to_string()))?;
            Ok(Some(bytes.to_vec()))
        };
        self.wait(name, request)?
    }
}

fn failed(name: &str, problem: impl ToString) -> StoreError {
    StoreError::file(Path::new(name), problem.to_string())
}
