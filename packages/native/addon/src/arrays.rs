//! Arguments of type `Uint8Array`, and the only place where their memory is borrowed.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::{ptr, slice};

use napi::bindgen_prelude::{FromNapiValue, Result, TypeName, ValidateNapiValue};
use napi::{Env, ValueType, sys};

use crate::refusal::{range_error, type_error};

/// Where the bytes of a `Uint8Array` are. It is not borrowed yet: two arguments may be the same array.
pub struct ByteArray<'call> {
    start: *mut u8,
    len: usize,
    call: PhantomData<&'call ()>,
}

/// Borrows the arrays that a call reads, and the one that it writes. Every exported function calls this
/// once, with all of its arrays.
///
/// # Errors
/// A pending `RangeError` if `output` has memory in common with an input.
pub fn lend<'call, const N: usize>(
    env: Env,
    inputs: [ByteArray<'call>; N],
    output: ByteArray<'call>,
) -> Result<([&'call [u8]; N], &'call mut [u8])> {
    if inputs.iter().any(|input| input.overlaps(&output)) {
        return Err(range_error(env, "out must not share memory with an input"));
    }
    let inputs = inputs.map(|input| {
        if input.len == 0 {
            return &[][..];
        }
        // SAFETY: the engine says that `len` bytes at `start` belong to an ArrayBuffer. It is not shared,
        // and neither freed, moved, detached nor resized before the call returns, since only JavaScript
        // of this thread could do that. It is not written meanwhile: see below.
        unsafe { slice::from_raw_parts(input.start, input.len) }
    });
    if output.len == 0 {
        return Ok((inputs, &mut []));
    }
    // SAFETY: as above. No other slice of this call has a byte in common with it: inputs were compared,
    // and there is one output.
    let output = unsafe { slice::from_raw_parts_mut(output.start, output.len) };
    Ok((inputs, output))
}

impl ByteArray<'_> {
    /// What a function without an output lends.
    pub fn empty() -> Self {
        Self { start: ptr::null_mut(), len: 0, call: PhantomData }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (start, other_start) = (self.start.addr(), other.start.addr());
        let apart = start.saturating_add(self.len) <= other_start
            || other_start.saturating_add(other.len) <= start;
        self.len != 0 && other.len != 0 && !apart
    }
}

impl TypeName for ByteArray<'_> {
    fn type_name() -> &'static str {
        "Uint8Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for ByteArray<'_> {}

impl FromNapiValue for ByteArray<'_> {
    /// Refuses what is not a `Uint8Array`, and arrays on memory that is shared with other threads or
    /// detached. No JavaScript runs: the engine is asked about the object itself, not its properties.
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let refuse = |reason: &str| Err(type_error(Env::from_raw(env), reason));
        let mut kind = -1;
        let mut len = 0;
        let mut start: *mut c_void = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        // SAFETY: `env` and `value` are valid for this call, and the last pointer may be null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env,
                value,
                &raw mut kind,
                &raw mut len,
                &raw mut start,
                &raw mut buffer,
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
            return refuse("expected a Uint8Array");
        }
        let mut exclusive = false;
        // SAFETY: `buffer` was filled by the call above.
        let status = unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut exclusive) };
        if status != sys::Status::napi_ok || !exclusive {
            return refuse(
                "a Uint8Array must not be on a SharedArrayBuffer: other threads could change it",
            );
        }
        // A detached array has no bytes, and would pass for an empty one.
        if len == 0 {
            let mut detached = false;
            // SAFETY: `buffer` is an ArrayBuffer.
            let status =
                unsafe { sys::napi_is_detached_arraybuffer(env, buffer, &raw mut detached) };
            if status != sys::Status::napi_ok || detached {
                return refuse("a Uint8Array must not be detached");
            }
        }
        Ok(Self { start: start.cast(), len, call: PhantomData })
    }
}
