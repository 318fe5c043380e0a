//! Many payloads under one data key in one call: a result set. The values and their `info` come
//! concatenated, with their lengths beside them.

use crate::{Error, HmacKey, Opened, open_payload, payload_len, plaintext_len, seal_payload};

/// Does what [`seal_payload`] does for each value, into `out` one after the other.
///
/// # Errors
/// [`Error::Length`] unless the lengths add up to those of the arrays; nothing was written.
pub fn seal_payloads(
    data_key: &HmacKey,
    (infos, info_lens): (&[u8], &[usize]),
    (plaintexts, plaintext_lens): (&[u8], &[usize]),
    out: &mut [u8],
) -> Result<(), Error> {
    if info_lens.len() != plaintext_lens.len() {
        return Err(Error::Length("infoLengths"));
    }
    require_total(infos, info_lens.iter().copied().map(Some), "infos")?;
    require_total(plaintexts, plaintext_lens.iter().copied().map(Some), "plaintexts")?;
    require_total(out, plaintext_lens.iter().map(|len| payload_len(*len)), "out")?;

    let (mut infos, mut plaintexts, mut out) = (infos, plaintexts, out);
    for (info_len, plaintext_len) in info_lens.iter().zip(plaintext_lens) {
        let info = infos.split_off(..*info_len);
        let plaintext = plaintexts.split_off(..*plaintext_len);
        let sealed = payload_len(*plaintext_len).and_then(|len| out.split_off_mut(..len));
        let (Some(info), Some(plaintext), Some(sealed)) = (info, plaintext, sealed) else {
            return Err(Error::Length("out"));
        };
        seal_payload(data_key, info, plaintext, sealed)?;
    }
    Ok(())
}

/// Does what [`open_payload`] does for each payload, into `out` one after the other. The place of a
/// payload that does not verify stays as it was or is overwritten with zeros; the others are opened.
///
/// # Errors
/// [`Error::Length`] unless the lengths add up to those of the arrays; nothing was written.
pub fn open_payloads(
    data_key: &HmacKey,
    (infos, info_lens): (&[u8], &[usize]),
    (sealed, sealed_lens): (&[u8], &[usize]),
    out: &mut [u8],
) -> Result<Vec<Opened>, Error> {
    if info_lens.len() != sealed_lens.len() {
        return Err(Error::Length("infoLengths"));
    }
    require_total(infos, info_lens.iter().copied().map(Some), "infos")?;
    require_total(sealed, sealed_lens.iter().copied().map(Some), "sealed")?;
    require_total(out, sealed_lens.iter().map(|len| plaintext_len(*len)), "out")?;

    let (mut infos, mut sealed, mut out) = (infos, sealed, out);
    let mut results = Vec::with_capacity(sealed_lens.len());
    for (info_len, sealed_len) in info_lens.iter().zip(sealed_lens) {
        let info = infos.split_off(..*info_len);
        let payload = sealed.split_off(..*sealed_len);
        let plaintext = plaintext_len(*sealed_len).and_then(|len| out.split_off_mut(..len));
        let (Some(info), Some(payload), Some(plaintext)) = (info, payload, plaintext) else {
            return Err(Error::Length("out"));
        };
        results.push(open_payload(data_key, info, payload, plaintext)?);
    }
    Ok(results)
}

fn require_total(
    array: &[u8],
    mut lens: impl Iterator<Item = Option<usize>>,
    name: &'static str,
) -> Result<(), Error> {
    let total = lens.try_fold(0_usize, |total, len| total.checked_add(len?));
    if total == Some(array.len()) { Ok(()) } else { Err(Error::Length(name)) }
}
