//! Keys as JavaScript holds them: `External` values, which it can pass on but not look into.

use std::ops::Deref;
use std::sync::Arc;

use napi::bindgen_prelude::{
    External, FromNapiRef, FromNapiValue, Result, TypeName, ValidateNapiValue,
};
use napi::{Env, ValueType, sys};

use crate::refusal::type_error;
use crate::shared::SharedKeys;

/// A key of HMAC in native memory, such as a data key.
pub type HmacKey = Handle<cobblestone::HmacKey>;
/// The keys of one message in native memory, possibly in use by several threads.
pub type ChunkKeys = Handle<Arc<SharedKeys>>;

/// An argument that is a key of this addon, of the right kind. The garbage collector drops it after the
/// call at the earliest, since the caller's arguments refer to it.
pub struct Handle<T: 'static>(&'static T);

impl<T> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

impl<T> TypeName for Handle<T> {
    fn type_name() -> &'static str {
        "External"
    }

    fn value_type() -> ValueType {
        ValueType::External
    }
}

impl<T> ValidateNapiValue for Handle<T> {}

impl<T> FromNapiValue for Handle<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: the caller's promise is passed on. napi looks the pointer up among those it made for a
        // `T`, so that no other addon's object is taken for one.
        let external = unsafe { External::<T>::from_napi_ref(env, value) };
        match external {
            Ok(external) => Ok(Self(external)),
            Err(_) => Err(type_error(Env::from_raw(env), "expected a key of the native backend")),
        }
    }
}
