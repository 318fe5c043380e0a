//! Any call with any lengths: it ends, writes nothing where it refuses, and releases nothing that did
//! not verify.
#![no_main]

use cobblestone::{
    HmacKey, Opened, open_payload, open_payloads, payload_len, plaintext_len, seal_payload,
    sealed_len,
};
use libfuzzer_sys::fuzz_target;

const UNTOUCHED: u8 = 0xa5;

/// Takes numbers and bytes off the input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn number(&mut self) -> u64 {
        let mut number = [0; 8];
        for byte in &mut number {
            *byte = self.0.split_off_first().copied().unwrap_or_default();
        }
        u64::from_le_bytes(number)
    }

    /// Mostly short, sometimes at the border of a chunk.
    fn len(&mut self) -> usize {
        let number = self.number() as usize;
        if number & 7 == 0 { 16_384 - 20 + number % 40 } else { number % 100 }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = self.0.to_vec();
        bytes.resize(self.len(), 0);
        bytes
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let key = HmacKey::new(&[7; 32]);
    let info = input.bytes();
    let first = input.number();
    let plaintext = input.bytes();
    let last = input.number() & 1 == 0;

    // What fits is sealed, and opens to what it was.
    let (keys, _) = key.derive(&info).unwrap();
    if let Some(len) = sealed_len(plaintext.len(), last) {
        let mut sealed = vec![UNTOUCHED; len];
        let mut opened = vec![0; plaintext.len()];
        if keys.seal(first, &plaintext, last, &mut sealed).is_ok() {
            assert_eq!(keys.open(first, &sealed, &mut opened), Ok(Opened::Verified));
            assert_eq!(opened, plaintext);
        } else {
            assert_eq!(sealed, vec![UNTOUCHED; len]);
        }
    }

    // Other lengths are refused, and nothing is written.
    let mut out = vec![UNTOUCHED; input.len()];
    if sealed_len(plaintext.len(), last) != Some(out.len()) {
        assert!(keys.seal(first, &plaintext, last, &mut out).is_err());
    }
    if payload_len(plaintext.len()) != Some(out.len()) {
        assert!(seal_payload(&key, &info, &plaintext, &mut out).is_err());
    }
    assert!(out.iter().all(|byte| *byte == UNTOUCHED));

    // What nobody sealed does not open, alone or among others.
    let forged = input.bytes();
    let lens = [input.len(), input.len()];
    let opened = open_payloads(&key, (&info, &lens), (&forged, &lens), &mut out);
    assert!(opened.is_err() || opened.is_ok_and(|each| !each.contains(&Opened::Verified)));
    if let Some(len) = plaintext_len(forged.len()) {
        let mut out = vec![UNTOUCHED; len];
        assert_ne!(open_payload(&key, &info, &forged, &mut out), Ok(Opened::Verified));
        assert!(out.iter().all(|byte| *byte == UNTOUCHED));
    }
    let mut out = vec![UNTOUCHED; cobblestone::opened_len(forged.len()).unwrap_or_default()];
    if !forged.is_empty() {
        assert_ne!(keys.open(first, &forged, &mut out), Ok(Opened::Verified));
        assert!(out.iter().all(|byte| *byte == UNTOUCHED || *byte == 0));
    }
});
