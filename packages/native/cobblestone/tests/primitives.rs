//! Hash, generator and comparison.
#![allow(clippy::unwrap_used)]

use cobblestone::{Error, equal, random, sha256};

#[test]
fn hashes_the_example_of_fips_180() {
    let mut hash = [0; 32];
    sha256(b"abc", &mut hash).unwrap();
    assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!(hash[28..], [0xf2, 0x00, 0x15, 0xad]);
    assert_eq!(sha256(b"abc", &mut hash[1..]), Err(Error::Length("out")));
}

#[test]
fn draws_other_bytes_each_time() {
    let (mut one, mut two) = ([0; 32], [0; 32]);
    random(&mut one).unwrap();
    random(&mut two).unwrap();
    assert_ne!(one, two);
}

#[test]
fn compares_content_and_length() {
    assert!(equal(b"same", b"same"));
    assert!(!equal(b"same", b"sama"));
    assert!(!equal(b"same", b"sam"));
}
