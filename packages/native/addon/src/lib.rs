//! The boundary between JavaScript and [`cobblestone`]: what each function may be called with is
//! checked here, and nothing is computed.
//!
//! Calls are synchronous: no JavaScript of the calling thread runs during one, so nobody detaches,
//! resizes or changes a buffer meanwhile. Other threads cannot reach one either: arrays on a
//! `SharedArrayBuffer` are refused. Keys are `External` values, whose memory JavaScript cannot read.
//! Panics are caught and thrown as an `Error`; none is foreseen.
//!
//! Each function throws a `TypeError` for what is not an array or a key as it should be, a `RangeError`
//! for lengths, overlap and chunk numbers, and an `Error` if AWS-LC fails.

// The macro passes what it made of the arguments by value, and errors are described above.
#![allow(clippy::missing_errors_doc, clippy::must_use_candidate, clippy::needless_pass_by_value)]

mod arrays;
mod handles;
mod number;
mod refusal;
mod shared;

use std::sync::Arc;

use arrays::{ByteArray, lend};
use cobblestone::{Commitment, Error, Opened};
use handles::{ChunkKeys, HmacKey};
use napi::Env;
use napi::bindgen_prelude::{External, Int32Array, Result};
use napi_derive::napi;
use number::ChunkNumber;
use refusal::Refuse;
use shared::{SharedKeys, TICKET_LEN};

/// The library at work.
#[napi(catch_unwind)]
pub fn version() -> String {
    cobblestone::aws_lc_version()
}

/// Fills `out` with random bytes.
#[napi(catch_unwind)]
pub fn random(env: Env, out: ByteArray) -> Result<()> {
    let ([], out) = lend(env, [], out)?;
    cobblestone::random(out).refuse(env)
}

/// Writes the SHA-256 of `data` into `out`.
#[napi(catch_unwind)]
pub fn sha256(env: Env, data: ByteArray, out: ByteArray) -> Result<()> {
    let ([data], out) = lend(env, [data], out)?;
    cobblestone::sha256(data, out).refuse(env)
}

/// Compares in time that does not depend on the content.
#[napi(catch_unwind)]
pub fn equal(env: Env, a: ByteArray, b: ByteArray) -> Result<bool> {
    let ([a, b], _) = lend(env, [a, b], ByteArray::empty())?;
    Ok(cobblestone::equal(a, b))
}

/// Copies a key into native memory.
#[napi(catch_unwind)]
pub fn hmac_key(env: Env, raw: ByteArray) -> Result<External<cobblestone::HmacKey>> {
    let ([raw], _) = lend(env, [raw], ByteArray::empty())?;
    Ok(External::new(cobblestone::HmacKey::new(raw)))
}

/// Writes the HMAC-SHA-512 of `data` into `out`.
#[napi(catch_unwind)]
pub fn hmac_sha512(env: Env, key: HmacKey, data: ByteArray, out: ByteArray) -> Result<()> {
    let ([data], out) = lend(env, [data], out)?;
    key.hmac(data, out).refuse(env)
}

/// Derives the keys of a message and writes its commitment into `out`.
#[napi(catch_unwind)]
pub fn message_keys(
    env: Env,
    key: HmacKey,
    info: ByteArray,
    out: ByteArray,
) -> Result<External<Arc<SharedKeys>>> {
    let ([info], out) = lend(env, [info], out)?;
    let out: &mut Commitment = out.try_into().map_err(|_| Error::Length("out")).refuse(env)?;
    let (keys, commitment) = key.derive(info).refuse(env)?;
    *out = commitment;
    Ok(External::new(SharedKeys::new(keys)))
}

/// Seals a run of chunks.
#[napi(catch_unwind)]
pub fn seal_chunks(
    env: Env,
    keys: ChunkKeys,
    first: ChunkNumber,
    plaintext: ByteArray,
    last: bool,
    out: ByteArray,
) -> Result<()> {
    let ([plaintext], out) = lend(env, [plaintext], out)?;
    keys.seal(first.get(), plaintext, last, out).refuse(env)
}

/// Opens a run of chunks. Returns -1, or the position in the run of the first that did not verify.
#[napi(catch_unwind)]
pub fn open_chunks(
    env: Env,
    keys: ChunkKeys,
    first: ChunkNumber,
    sealed: ByteArray,
    out: ByteArray,
) -> Result<i32> {
    let ([sealed], out) = lend(env, [sealed], out)?;
    keys.open(first.get(), sealed, out).map(code).refuse(env)
}

/// Writes commitment and chunks of a message into `out`.
#[napi(catch_unwind)]
pub fn seal_payload(
    env: Env,
    key: HmacKey,
    info: ByteArray,
    plaintext: ByteArray,
    out: ByteArray,
) -> Result<()> {
    let ([info, plaintext], out) = lend(env, [info, plaintext], out)?;
    cobblestone::seal_payload(&key, info, plaintext, out).refuse(env)
}

/// Opens commitment and chunks. Returns -1, -2 if the commitment differs, or the position of the first
/// chunk that did not verify.
#[napi(catch_unwind)]
pub fn open_payload(
    env: Env,
    key: HmacKey,
    info: ByteArray,
    sealed: ByteArray,
    out: ByteArray,
) -> Result<i32> {
    let ([info, sealed], out) = lend(env, [info, sealed], out)?;
    cobblestone::open_payload(&key, info, sealed, out).map(code).refuse(env)
}

/// Does what [`seal_payload`] does for many values. Lengths are the bytes of a `Uint32Array`.
#[napi(catch_unwind)]
pub fn seal_payloads(
    env: Env,
    key: HmacKey,
    infos: ByteArray,
    info_lengths: ByteArray,
    plaintexts: ByteArray,
    plaintext_lengths: ByteArray,
    out: ByteArray,
) -> Result<()> {
    let inputs = [infos, info_lengths, plaintexts, plaintext_lengths];
    let ([infos, info_lens, plaintexts, plaintext_lens], out) = lend(env, inputs, out)?;
    let (infos, plaintexts) =
        ((infos, &*lengths(info_lens)), (plaintexts, &*lengths(plaintext_lens)));
    cobblestone::seal_payloads(&key, infos, plaintexts, out).refuse(env)
}

/// Does what [`open_payload`] does for many payloads. Lengths are the bytes of a `Uint32Array`.
#[napi(catch_unwind)]
pub fn open_payloads(
    env: Env,
    key: HmacKey,
    infos: ByteArray,
    info_lengths: ByteArray,
    sealed: ByteArray,
    sealed_lengths: ByteArray,
    out: ByteArray,
) -> Result<Int32Array> {
    let inputs = [infos, info_lengths, sealed, sealed_lengths];
    let ([infos, info_lens, sealed, sealed_lens], out) = lend(env, inputs, out)?;
    let (infos, sealed) = ((infos, &*lengths(info_lens)), (sealed, &*lengths(sealed_lens)));
    let opened = cobblestone::open_payloads(&key, infos, sealed, out).refuse(env)?;
    Ok(Int32Array::new(opened.into_iter().map(code).collect()))
}

/// Writes into `ticket` what another thread adopts these keys with.
#[napi(catch_unwind)]
pub fn share(env: Env, keys: ChunkKeys, ticket: ByteArray) -> Result<()> {
    let ([], ticket) = lend(env, [], ticket)?;
    let ticket: &mut [u8; TICKET_LEN] =
        ticket.try_into().map_err(|_| Error::Length("ticket")).refuse(env)?;
    *ticket = SharedKeys::ticket(&keys).refuse(env)?;
    Ok(())
}

/// The keys that a ticket was made for, or `null` once no thread holds them.
#[napi(catch_unwind)]
pub fn adopt(env: Env, ticket: ByteArray) -> Result<Option<External<Arc<SharedKeys>>>> {
    let ([ticket], _) = lend(env, [ticket], ByteArray::empty())?;
    Ok(SharedKeys::adopt(ticket).map(External::new))
}

/// The numbers that stand for [`Opened`] in JavaScript.
fn code(opened: Opened) -> i32 {
    match opened {
        Opened::Verified => -1,
        Opened::OtherCommitment => -2,
        // Memory has room for fewer than 2^31 chunks: those would be 32 TiB.
        Opened::BadChunk(position) => i32::try_from(position).unwrap_or(i32::MAX),
    }
}

/// The elements of a `Uint32Array`, from its bytes.
fn lengths(bytes: &[u8]) -> Vec<usize> {
    let (words, _) = bytes.as_chunks();
    // A length that does not fit is more than any array has.
    words
        .iter()
        .map(|word| usize::try_from(u32::from_ne_bytes(*word)).unwrap_or(usize::MAX))
        .collect()
}
