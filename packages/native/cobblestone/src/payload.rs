//! Whole payloads without their salt: commitment and all chunks, in one call with their key derivation.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::{COMMITMENT_LEN, Commitment, Error, HmacKey, Opened, opened_len, sealed_len};

/// The length of commitment and chunks for `plaintext_len` bytes.
#[must_use]
pub fn payload_len(plaintext_len: usize) -> Option<usize> {
    sealed_len(plaintext_len, true)?.checked_add(COMMITMENT_LEN)
}

/// The plaintext length of commitment and chunks; `None` if no plaintext has a payload of this length.
#[must_use]
pub fn plaintext_len(payload_len: usize) -> Option<usize> {
    let plaintext_len = opened_len(payload_len.checked_sub(COMMITMENT_LEN)?)?;
    // The final chunk is there and short: opened_len also takes runs without it.
    (self::payload_len(plaintext_len) == Some(payload_len)).then_some(plaintext_len)
}

/// Writes commitment and chunks of a message into `out`.
///
/// # Errors
/// [`Error::Length`] unless `out` has [`payload_len`] bytes; nothing was written.
pub fn seal_payload(
    data_key: &HmacKey,
    info: &[u8],
    plaintext: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    if payload_len(plaintext.len()) != Some(out.len()) {
        return Err(Error::Length("out"));
    }
    let (keys, commitment) = data_key.derive(info)?;
    let (start, chunks) = out.split_first_chunk_mut().ok_or(Error::Length("out"))?;
    keys.seal(0, plaintext, true, chunks)?;
    *start = commitment;
    Ok(())
}

/// Compares the commitment, then does what [`ChunkKeys::open`](crate::ChunkKeys::open) does. If the
/// commitment differs, `out` stays as it was.
///
/// # Errors
/// [`Error::Length`] unless `out` has [`plaintext_len`] bytes; nothing was written.
pub fn open_payload(
    data_key: &HmacKey,
    info: &[u8],
    sealed: &[u8],
    out: &mut [u8],
) -> Result<Opened, Error> {
    let expected = plaintext_len(sealed.len()).ok_or(Error::Length("sealed"))?;
    if out.len() != expected {
        return Err(Error::Length("out"));
    }
    let (commitment, chunks): (&Commitment, _) =
        sealed.split_first_chunk().ok_or(Error::Length("sealed"))?;
    let (keys, derived) = data_key.derive(info)?;
    if verify_slices_are_equal(commitment, &derived).is_err() {
        return Ok(Opened::OtherCommitment);
    }
    keys.open(0, chunks, out)
}
