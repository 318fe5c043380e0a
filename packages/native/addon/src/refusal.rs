//! Errors, as the classes that JavaScript programmers expect.

use cobblestone::Error as Refused;
use napi::{Env, Error, Result, Status};

/// Throws a `TypeError`. What it returns ends the call without throwing again.
pub fn type_error(env: Env, message: &str) -> Error {
    pending(env.throw_type_error(message, None))
}

/// Throws a `RangeError`. What it returns ends the call without throwing again.
pub fn range_error(env: Env, message: &str) -> Error {
    pending(env.throw_range_error(message, None))
}

pub trait Refuse<T> {
    /// Throws a refusal as a `RangeError`, and a failure of the library as an `Error`.
    fn refuse(self, env: Env) -> Result<T>;
}

impl<T> Refuse<T> for std::result::Result<T, Refused> {
    fn refuse(self, env: Env) -> Result<T> {
        self.map_err(|error| match error {
            Refused::Length(_) | Refused::TooManyChunks => range_error(env, &error.to_string()),
            Refused::Library => Error::new(Status::GenericFailure, error.to_string()),
        })
    }
}

fn pending(thrown: Result<()>) -> Error {
    match thrown {
        Ok(()) => Error::new(Status::PendingException, String::new()),
        Err(error) => error,
    }
}
