//! The storage contract: what every backend promises and the rest of the system builds on.

use crate::batch::WriteBatch;
use crate::error::StorageError;

/// Longest key in bytes; keys are never empty.
pub const MAX_KEY_BYTES: usize = 1024;
/// Longest value in bytes (256 MiB).
pub const MAX_VALUE_BYTES: usize = 256 << 20;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An ordered map from bytes to bytes that survives a crash.
///
/// What an implementation promises, and [`conformance`](crate::conformance) checks as far as a test can:
///
/// 1. **Bytes only.** Keys are 1 to [`MAX_KEY_BYTES`] bytes, values 0 to [`MAX_VALUE_BYTES`]; the store gives them no
///    meaning. Anything longer, and the empty key, is refused with a typed error before anything is written.
/// 2. **Atomic.** Of a batch that `write` was given, after a crash at any moment, either every operation is there or
///    none. Within a batch operations apply in order: the last one on a key wins.
/// 3. **Durable on return.** When `write` returns `Ok`, the batch survives the loss of power: it has been synced to the
///    device, file length and directory entries included. There is no `flush`.
/// 4. **Read your writes, in order.** A call sees every batch whose `write` returned before. Batches of several threads
///    apply one after another; a batch that is durable makes every earlier one durable.
/// 5. **Ordered.** `scan` yields keys in ascending order of their raw bytes; a key sorts before its own extensions.
/// 6. **Dead after an I/O error.** When any call fails for a reason other than a refused argument, it is unknown whether
///    its batch was written: a failed fsync may still have written. From then on every call returns
///    [`StorageError::Dead`], until the store is opened anew and read from scratch. A caller must not retry on the same
///    handle, and must not act on what it believes was, or was not, stored.
/// 7. **Exclusive.** One store has one owner: a second open, in this or another process, fails with
///    [`StorageError::Locked`].
///
/// All methods take `&self`, so one store can carry several machines; the trait is object safe.
pub trait Storage {
    /// The value of `key`, or `None`.
    ///
    /// # Errors
    /// [`StorageError::EmptyKey`], [`StorageError::KeyTooLong`], [`StorageError::Dead`], or what the medium reports.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Up to `limit` rows in ascending order of keys, of those whose key begins with `prefix` and is not smaller than
    /// `from`. Fewer than `limit` rows mean that there are no more. To go on after a full page, pass
    /// [`successor`] of its last key as `from`, or use [`rows`].
    ///
    /// # Errors
    /// [`StorageError::Dead`], or what the medium reports.
    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError>;

    /// Applies all operations of `batch`, or none, and makes them durable. An empty batch does nothing.
    ///
    /// # Errors
    /// A refused argument ([`StorageError::is_refusal`]) leaves the store as it was. After any other error the outcome
    /// is unknown and the store is dead.
    fn write(&self, batch: WriteBatch) -> Result<(), StorageError>;

    /// Stores `value` under `key`: a batch of one.
    ///
    /// # Errors
    /// As [`Storage::write`].
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        self.write(batch)
    }

    /// Removes `key`; it need not exist. A batch of one.
    ///
    /// # Errors
    /// As [`Storage::write`].
    fn delete(&self, key: &[u8]) -> Result<(), StorageError> {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        self.write(batch)
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: Storage + ?Sized> Storage for $pointer {
            fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
                (**self).get(key)
            }
            fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
                (**self).scan(prefix, from, limit)
            }
            fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
                (**self).write(batch)
            }
            fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
                (**self).put(key, value)
            }
            fn delete(&self, key: &[u8]) -> Result<(), StorageError> {
                (**self).delete(key)
            }
        }
    )*};
}

forward!(&S, Box<S>, std::rc::Rc<S>, std::sync::Arc<S>);

/// The smallest key greater than `key`: `key` and a zero byte.
#[must_use]
pub fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// All rows under `prefix` from `from` on, read in pages of `page_rows` rows. After an error the iterator ends.
pub fn rows<'s, S: Storage + ?Sized>(
    storage: &'s S,
    prefix: &[u8],
    from: Option<&[u8]>,
    page_rows: usize,
) -> Rows<'s, S> {
    Rows {
        storage,
        prefix: prefix.to_vec(),
        next: Some(from.unwrap_or(prefix).to_vec()),
        page: Vec::new().into_iter(),
        page_rows: page_rows.max(1),
    }
}

/// The iterator that [`rows`] makes.
pub struct Rows<'s, S: Storage + ?Sized> {
    storage: &'s S,
    prefix: Vec<u8>,
    /// Where the next page starts; `None` after the last page.
    next: Option<Vec<u8>>,
    page: std::vec::IntoIter<Row>,
    page_rows: usize,
}

impl<S: Storage + ?Sized> Iterator for Rows<'_, S> {
    type Item = Result<Row, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.page.next() {
            return Some(Ok(row));
        }
        let from = self.next.take()?;
        match self.storage.scan(&self.prefix, Some(&from), self.page_rows) {
            Ok(page) => {
                if page.len() >= self.page_rows {
                    self.next = page.last().map(|(key, _)| successor(key));
                }
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}
