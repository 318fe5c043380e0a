//! What a backend provides besides payloads.

use aws_lc_rs::{constant_time, digest, rand};

use crate::Error;

/// The length of a SHA-256 hash in bytes.
pub const SHA256_LEN: usize = 32;

/// Fills `out` from AWS-LC's generator, which the system seeds.
///
/// # Errors
/// [`Error::Library`]
pub fn random(out: &mut [u8]) -> Result<(), Error> {
    rand::fill(out)?;
    Ok(())
}

/// Computes SHA-256.
///
/// # Errors
/// [`Error::Length`] unless `out` has 32 bytes.
pub fn sha256(data: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let out: &mut [u8; SHA256_LEN] = out.try_into().map_err(|_| Error::Length("out"))?;
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    Ok(())
}

/// Compares in time that does not depend on the content. Arrays of different lengths are unequal.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// The library at work: `AWS-LC 5.12.0`, or `AWS-LC FIPS …` where it is the validated module.
#[must_use]
pub fn aws_lc_version() -> String {
    let fips = if aws_lc_rs::try_fips_mode().is_ok() { " FIPS" } else { "" };
    format!("AWS-LC{fips} {}", aws_lc_rs::awslc_version())
}
