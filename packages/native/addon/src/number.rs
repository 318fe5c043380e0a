//! The number of a chunk, which may exceed 32 bits.

use cobblestone::MAX_CHUNKS;
use napi::bindgen_prelude::{FromNapiValue, Result, TypeName, ValidateNapiValue};
use napi::{Env, ValueType, sys};

use crate::refusal::range_error;

/// A whole number from 0 to 2^38.
pub struct ChunkNumber(u64);

impl ChunkNumber {
    pub fn get(&self) -> u64 {
        self.0
    }
}

impl TypeName for ChunkNumber {
    fn type_name() -> &'static str {
        "number"
    }

    fn value_type() -> ValueType {
        ValueType::Number
    }
}

impl ValidateNapiValue for ChunkNumber {}

impl FromNapiValue for ChunkNumber {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: the caller's promise is passed on.
        let number = unsafe { f64::from_napi_value(env, value) }.unwrap_or(f64::NAN);
        // Exact: both are powers of two or whole numbers below 2^53.
        #[expect(clippy::cast_precision_loss)]
        let allowed = 0.0..=MAX_CHUNKS as f64;
        if !allowed.contains(&number) || number.fract() != 0.0 {
            return Err(range_error(Env::from_raw(env), "index must be a whole number up to 2^38"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(Self(number as u64))
    }
}
