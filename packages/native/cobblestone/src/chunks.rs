//! Runs of consecutive chunks.

use aws_lc_rs::aead::{Aad, Nonce};

use crate::{ChunkKeys, Error, Opened};

/// The plaintext length in bytes of every chunk except the final one.
pub const CHUNK_LEN: usize = 16_384;
/// The length in bytes of the GCM tag that ends every chunk.
pub const TAG_LEN: usize = 16;
/// The sealed length in bytes of every chunk except the final one.
pub const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
/// The number of chunks that a message can have.
pub const MAX_CHUNKS: u64 = 1 << 38;

/// The length of the chunks for `plaintext_len` bytes, with the final chunk if `last`. `None` if there
/// is no such run: without the final chunk, a plaintext consists of whole chunks.
#[must_use]
pub fn sealed_len(plaintext_len: usize, last: bool) -> Option<usize> {
    let (whole, rest) = (plaintext_len / CHUNK_LEN, plaintext_len % CHUNK_LEN);
    if !last && rest != 0 {
        return None;
    }
    let tags = whole.checked_add(usize::from(last))?.checked_mul(TAG_LEN)?;
    plaintext_len.checked_add(tags)
}

/// The plaintext length of consecutive chunks, of which the last may be short. `None` if they would
/// end within a tag.
#[must_use]
pub fn opened_len(sealed_len: usize) -> Option<usize> {
    let (whole, rest) = (sealed_len / SEALED_CHUNK_LEN, sealed_len % SEALED_CHUNK_LEN);
    let short = if rest == 0 { 0 } else { rest.checked_sub(TAG_LEN)? };
    whole.checked_mul(CHUNK_LEN)?.checked_add(short)
}

impl ChunkKeys {
    /// Seals a run of chunks that starts with number `first` of the message. The caller seals each
    /// number once only: two plaintexts under one nonce would break GCM.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` has [`sealed_len`] bytes, [`Error::TooManyChunks`]; in both
    /// cases nothing was written.
    pub fn seal(
        &self,
        first: u64,
        plaintext: &[u8],
        last: bool,
        out: &mut [u8],
    ) -> Result<(), Error> {
        let expected = sealed_len(plaintext.len(), last).ok_or(Error::Length("plaintext"))?;
        if out.len() != expected {
            return Err(Error::Length("out"));
        }
        let (chunks, rest) = plaintext.as_chunks::<CHUNK_LEN>();
        let (sealed, sealed_rest) = out.as_chunks_mut::<SEALED_CHUNK_LEN>();
        let numbers = chunk_numbers(first, chunks.len(), last)?;
        for ((number, chunk), sealed) in numbers.clone().zip(chunks).zip(sealed) {
            self.seal_chunk(number, chunk, sealed)?;
        }
        if last {
            self.seal_chunk(numbers.end.saturating_sub(1), rest, sealed_rest)
        } else {
            Ok(())
        }
    }

    /// Opens a run of chunks that starts with number `first` of the message, until one does not
    /// verify: its place in `out` is overwritten with zeros, and what follows stays as it was.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` has [`opened_len`] bytes, [`Error::TooManyChunks`]; in both
    /// cases nothing was written.
    pub fn open(&self, first: u64, sealed: &[u8], out: &mut [u8]) -> Result<Opened, Error> {
        let expected = opened_len(sealed.len()).ok_or(Error::Length("sealed"))?;
        if out.len() != expected {
            return Err(Error::Length("out"));
        }
        let chunks = sealed.chunks(SEALED_CHUNK_LEN);
        let numbers = chunk_numbers(first, chunks.len(), false)?;
        let mut rest = out;
        for (position, (number, chunk)) in numbers.zip(chunks).enumerate() {
            let Some((ciphertext, tag)) = chunk.split_last_chunk() else {
                return Err(Error::Length("sealed"));
            };
            let Some(plaintext) = rest.split_off_mut(..ciphertext.len()) else {
                return Err(Error::Length("out"));
            };
            if !self.open_chunk(number, ciphertext, tag, plaintext) {
                return Ok(Opened::BadChunk(position));
            }
        }
        Ok(Opened::Verified)
    }

    fn seal_chunk(&self, number: u64, plaintext: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let (ciphertext, tag) =
            out.split_at_mut_checked(plaintext.len()).ok_or(Error::Length("out"))?;
        let nonce = self.nonce(number);
        self.key.seal_out_of_place_scatter(nonce, Aad::empty(), plaintext, ciphertext, &[], tag)?;
        Ok(())
    }

    /// GCM decrypts while it verifies, so plaintext is in `out` before its tag has been compared. The
    /// caller of this crate sees none of it: a failure leaves zeros.
    fn open_chunk(
        &self,
        number: u64,
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        out: &mut [u8],
    ) -> bool {
        let opened =
            self.key.open_separate_gather(self.nonce(number), Aad::empty(), ciphertext, tag, out);
        if opened.is_err() {
            out.fill(0);
        }
        opened.is_ok()
    }

    /// Base nonce XOR chunk number, both as 12-byte big-endian numbers.
    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = self.base_nonce;
        for (byte, of_number) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= of_number;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The numbers of a run's chunks in the message.
fn chunk_numbers(first: u64, whole: usize, last: bool) -> Result<core::ops::Range<u64>, Error> {
    let count = u64::try_from(whole).ok().and_then(|whole| whole.checked_add(u64::from(last)));
    let end = count.and_then(|count| first.checked_add(count));
    match end {
        Some(end) if end <= MAX_CHUNKS => Ok(first..end),
        _ => Err(Error::TooManyChunks),
    }
}
