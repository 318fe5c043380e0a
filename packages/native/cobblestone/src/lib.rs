//! Cobblestone-256 of C2SP's chunked-encryption: HKDF-Expand-SHA-512 and AES-256-GCM of AWS-LC, over
//! borrowed memory.
//!
//! Plaintext is split into chunks of 16384 bytes, each sealed under its own nonce and followed by its
//! tag. The final chunk is always shorter and always present, so every length has exactly one chunking.
//!
//! Nothing here panics on input, and nothing is written before all lengths have been checked.
//! [`Opened`] says whether a tag verified; what did not verify is overwritten with zeros.
//!
//! Source: spec/envelope-v1.md; c2sp.org/chunked-encryption

#![forbid(unsafe_code)]

mod batch;
mod chunks;
mod keys;
mod payload;
mod primitives;

pub use batch::{open_payloads, seal_payloads};
pub use chunks::{CHUNK_LEN, MAX_CHUNKS, SEALED_CHUNK_LEN, TAG_LEN, opened_len, sealed_len};
pub use keys::{COMMITMENT_LEN, ChunkKeys, Commitment, HMAC_LEN, HmacKey};
pub use payload::{open_payload, payload_len, plaintext_len, seal_payload};
pub use primitives::{SHA256_LEN, aws_lc_version, equal, random, sha256};

/// The result of opening. Only [`Opened::Verified`] means that the output holds plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Opened {
    /// Every tag and, in a payload, the commitment verified.
    Verified,
    /// Another data key, or other `info`, made this payload.
    OtherCommitment,
    /// The tag of this chunk did not verify: the first one, counted from the start of the run.
    BadChunk(usize),
}

/// Why a call was refused before anything was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The named array has a length that cannot be.
    Length(&'static str),
    /// Chunk numbers end at 2^38.
    TooManyChunks,
    /// AWS-LC failed for a reason of its own, such as missing memory.
    Library,
}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Library
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(name) => write!(f, "{name} has a wrong length"),
            Self::TooManyChunks => write!(f, "a message has at most 2^38 chunks"),
            Self::Library => write!(f, "AWS-LC could not do it"),
        }
    }
}

impl core::error::Error for Error {}
