//! Data keys, and what is derived from them for one message.
//!
//! AWS-LC holds both keys and overwrites them when they are dropped: `HMAC_CTX_cleanup` and
//! `OPENSSL_free` clear the memory that they release. Nothing here returns key bytes.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, NONCE_LEN, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;

/// The length of an HMAC-SHA-512 tag in bytes.
pub const HMAC_LEN: usize = 64;
/// The length of a key commitment in bytes.
pub const COMMITMENT_LEN: usize = 32;

const AES_KEY_LEN: usize = 32;

/// A value that only the right data key and `info` derive. Public.
pub type Commitment = [u8; COMMITMENT_LEN];

/// A key of HMAC-SHA-512 and so of HKDF-Expand, such as a data key.
pub struct HmacKey(hmac::Key);

/// What seals the chunks of one message: an AES-256-GCM key and the base nonce.
pub struct ChunkKeys {
    pub(crate) key: LessSafeKey,
    pub(crate) base_nonce: [u8; NONCE_LEN],
}

impl HmacKey {
    /// Copies `raw`, which the caller wipes. A data key has 32 bytes.
    #[must_use]
    pub fn new(raw: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA512, raw))
    }

    /// Computes HMAC-SHA-512.
    ///
    /// # Errors
    /// [`Error::Length`] unless `tag` has 64 bytes.
    pub fn hmac(&self, data: &[u8], tag: &mut [u8]) -> Result<(), Error> {
        if tag.len() != HMAC_LEN {
            return Err(Error::Length("out"));
        }
        hmac::sign_to_buffer(&self.0, data, tag)?;
        Ok(())
    }

    /// Derives the keys of one message. `info` is Cobblestone's: label, salt and context.
    ///
    /// HKDF-Expand-SHA-512 gives 76 bytes: AES key (32), base nonce (12), commitment (32). Extract is
    /// left out because a data key is uniformly random.
    ///
    /// Source: RFC 5869 section 2.3
    ///
    /// # Errors
    /// [`Error::Library`]
    pub fn derive(&self, info: &[u8]) -> Result<(ChunkKeys, Commitment), Error> {
        let mut first = Zeroizing::new([0; HMAC_LEN]);
        let mut second = Zeroizing::new([0; HMAC_LEN]);
        // T(1) = HMAC(info || 1), T(2) = HMAC(T(1) || info || 2), in one allocation that is wiped.
        let mut input = Zeroizing::new([first.as_slice(), info, &[1]].concat());
        let (before, from_info) = input.split_at_mut(HMAC_LEN);
        self.hmac(from_info, first.as_mut_slice())?;
        before.copy_from_slice(first.as_slice());
        if let Some(counter) = input.last_mut() {
            *counter = 2;
        }
        self.hmac(&input, second.as_mut_slice())?;

        let (key, rest) = first.split_at(AES_KEY_LEN);
        let (nonce, start) = rest.split_at(NONCE_LEN);
        let mut base_nonce = [0; NONCE_LEN];
        base_nonce.copy_from_slice(nonce);
        let mut commitment = [0; COMMITMENT_LEN];
        for (to, from) in commitment.iter_mut().zip(start.iter().chain(second.iter())) {
            *to = *from;
        }
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
        Ok((ChunkKeys { key, base_nonce }, commitment))
    }
}

impl Drop for ChunkKeys {
    fn drop(&mut self) {
        self.base_nonce.zeroize();
    }
}
