//! Payloads and runs of chunks, against the primitives and against alterations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use cobblestone::{
    CHUNK_LEN, ChunkKeys, Error, HmacKey, MAX_CHUNKS, Opened, SEALED_CHUNK_LEN, TAG_LEN,
    open_payload, open_payloads, opened_len, payload_len, plaintext_len, seal_payload,
    seal_payloads, sealed_len,
};

const RAW: [u8; 32] = [7; 32];
const INFO: &[u8] = b"label, salt and context";
/// What no call may leave behind where it refuses.
const UNTOUCHED: u8 = 0xa5;

fn data_key() -> HmacKey {
    HmacKey::new(&RAW)
}

fn keys() -> ChunkKeys {
    data_key().derive(INFO).unwrap().0
}

/// Bytes that differ from place to place.
fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn seal(first: u64, plaintext: &[u8], last: bool) -> Vec<u8> {
    let mut out = vec![UNTOUCHED; sealed_len(plaintext.len(), last).unwrap()];
    keys().seal(first, plaintext, last, &mut out).unwrap();
    out
}

fn sealed_payload(info: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut out = vec![UNTOUCHED; payload_len(plaintext.len()).unwrap()];
    seal_payload(&data_key(), info, plaintext, &mut out).unwrap();
    out
}

struct OkmLen;

impl KeyType for OkmLen {
    fn len(&self) -> usize {
        76
    }
}

/// The 76 bytes that HKDF-Expand gives, from AWS-LC's own.
fn expanded() -> [u8; 76] {
    let mut okm = [0; 76];
    let prk = Prk::new_less_safe(HKDF_SHA512, &RAW);
    prk.expand(&[INFO], OkmLen).unwrap().fill(&mut okm).unwrap();
    okm
}

#[test]
fn derives_what_hkdf_expand_gives() {
    let okm = expanded();
    let (_, commitment) = data_key().derive(INFO).unwrap();
    assert_eq!(commitment, okm[44..]);
}

#[test]
fn seals_each_chunk_under_base_nonce_xor_number() {
    let okm = expanded();
    let first = 0x12_3456_789a;
    let plaintext = plaintext(CHUNK_LEN + 5);
    let sealed = seal(first, &plaintext, true);
    for (position, chunk) in plaintext.chunks(CHUNK_LEN).enumerate() {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&(first + position as u64).to_be_bytes());
        for (byte, base) in nonce.iter_mut().zip(&okm[32..44]) {
            *byte ^= base;
        }
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &okm[..32]).unwrap());
        let mut expected = chunk.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut expected).unwrap();
        let at = position * SEALED_CHUNK_LEN;
        assert_eq!(sealed[at..at + expected.len()], expected);
    }
}

#[test]
fn opens_what_it_sealed_at_every_kind_of_length() {
    for len in [0, 1, 15, 16, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN] {
        let plaintext = plaintext(len);
        let payload = sealed_payload(INFO, &plaintext);
        assert_eq!(plaintext_len(payload.len()), Some(len));
        let mut out = vec![UNTOUCHED; len];
        let opened = open_payload(&data_key(), INFO, &payload, &mut out).unwrap();
        assert_eq!((opened, out), (Opened::Verified, plaintext));
    }
}

#[test]
fn refuses_every_altered_bit_and_leaves_zeros() {
    let plaintext = plaintext(40);
    let payload = sealed_payload(INFO, &plaintext);
    for bit in 0..payload.len() * 8 {
        let mut altered = payload.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let mut out = vec![UNTOUCHED; plaintext.len()];
        let opened = open_payload(&data_key(), INFO, &altered, &mut out).unwrap();
        if bit < 32 * 8 {
            assert_eq!((opened, out[0]), (Opened::OtherCommitment, UNTOUCHED), "bit {bit}");
        } else {
            assert_eq!((opened, out), (Opened::BadChunk(0), vec![0; 40]), "bit {bit}");
        }
    }
}

#[test]
fn opens_a_run_up_to_the_first_bad_chunk() {
    let plaintext = plaintext(3 * CHUNK_LEN);
    let mut sealed = seal(8, &plaintext, false);
    sealed[SEALED_CHUNK_LEN] ^= 1;
    let mut out = vec![UNTOUCHED; plaintext.len()];
    assert_eq!(keys().open(8, &sealed, &mut out), Ok(Opened::BadChunk(1)));
    assert_eq!(out[..CHUNK_LEN], plaintext[..CHUNK_LEN]);
    assert_eq!(out[CHUNK_LEN..2 * CHUNK_LEN], [0; CHUNK_LEN]);
    assert_eq!(out[2 * CHUNK_LEN..], [UNTOUCHED; CHUNK_LEN]);
}

#[test]
fn refuses_a_run_at_another_place_or_without_its_final_chunk() {
    let sealed = seal(1, &plaintext(20), true);
    let mut out = vec![UNTOUCHED; 20];
    assert_eq!(keys().open(1 << 32, &sealed, &mut out), Ok(Opened::BadChunk(0)));
    // Whole chunks are a run, but not the end of a payload.
    assert_eq!(opened_len(SEALED_CHUNK_LEN), Some(CHUNK_LEN));
    assert_eq!(plaintext_len(32 + SEALED_CHUNK_LEN), None);
}

#[test]
fn refuses_lengths_that_do_not_fit_before_it_writes() {
    let keys = keys();
    let mut out = vec![UNTOUCHED; CHUNK_LEN + 2 * TAG_LEN];
    let chunk = plaintext(CHUNK_LEN);
    let long = out.len();
    assert_eq!(keys.seal(0, &chunk, true, &mut out[1..]), Err(Error::Length("out")));
    assert_eq!(keys.seal(0, &chunk[1..], false, &mut out), Err(Error::Length("plaintext")));
    assert_eq!(keys.open(0, &[0; 15], &mut out), Err(Error::Length("sealed")));
    assert_eq!(keys.open(0, &[0; TAG_LEN], &mut out), Err(Error::Length("out")));
    assert_eq!(keys.seal(MAX_CHUNKS - 1, &chunk, true, &mut out), Err(Error::TooManyChunks));
    assert_eq!(keys.open(u64::MAX, &[0; TAG_LEN], &mut []), Err(Error::TooManyChunks));
    let key = data_key();
    assert_eq!(seal_payload(&key, INFO, b"", &mut out), Err(Error::Length("out")));
    assert_eq!(open_payload(&key, INFO, &[0; 47], &mut []), Err(Error::Length("sealed")));
    assert_eq!(key.hmac(INFO, &mut out), Err(Error::Length("out")));
    assert_eq!(out, vec![UNTOUCHED; long]);
}

#[test]
fn seals_the_last_chunk_that_a_message_can_have() {
    let sealed = seal(MAX_CHUNKS - 1, b"end", true);
    let mut out = [0; 3];
    assert_eq!(keys().open(MAX_CHUNKS - 1, &sealed, &mut out), Ok(Opened::Verified));
    assert_eq!(&out, b"end");
}

#[test]
fn opens_a_result_set_and_says_which_values_do_not_verify() {
    let values: [&[u8]; 4] = [b"", b"one", b"two words", b"three"];
    let infos: [&[u8]; 4] = [b"a", b"", b"cc", b"ddd"];
    let lens: Vec<usize> = values.iter().map(|value| value.len()).collect();
    let info_lens: Vec<usize> = infos.iter().map(|info| info.len()).collect();
    let sealed_lens: Vec<usize> = lens.iter().map(|len| payload_len(*len).unwrap()).collect();
    let key = data_key();
    let infos = (infos.concat(), info_lens);
    let infos = (infos.0.as_slice(), infos.1.as_slice());
    let mut sealed = vec![UNTOUCHED; sealed_lens.iter().sum()];
    seal_payloads(&key, infos, (&values.concat(), &lens), &mut sealed).unwrap();
    assert_eq!(sealed[..48], sealed_payload(b"a", b""));

    let (second, third) = (sealed_lens[0], sealed_lens[0] + sealed_lens[1]);
    sealed[second] ^= 1;
    sealed[third + 32] ^= 1;
    let mut out = vec![UNTOUCHED; lens.iter().sum()];
    let opened = open_payloads(&key, infos, (&sealed, &sealed_lens), &mut out).unwrap();
    let expected =
        [Opened::Verified, Opened::OtherCommitment, Opened::BadChunk(0), Opened::Verified];
    assert_eq!(opened, expected);
    assert_eq!(out, [&[UNTOUCHED; 3][..], &[0; 9], b"three"].concat());
}

#[test]
fn refuses_lengths_of_a_result_set_that_do_not_add_up() {
    let key = data_key();
    let mut out = vec![UNTOUCHED; 48];
    let empty: (&[u8], &[usize]) = (b"", &[]);
    let one = (&b"a"[..], &[1][..]);
    let huge = (&b"a"[..], &[usize::MAX, 2][..]);
    assert_eq!(seal_payloads(&key, one, empty, &mut out), Err(Error::Length("infoLengths")));
    assert_eq!(seal_payloads(&key, huge, huge, &mut out), Err(Error::Length("infos")));
    let nothing = (&b""[..], &[0][..]);
    assert_eq!(seal_payloads(&key, one, nothing, &mut out[1..]), Err(Error::Length("out")));
    assert_eq!(open_payloads(&key, one, nothing, &mut out), Err(Error::Length("out")));
    assert_eq!(out, vec![UNTOUCHED; 48]);
}
