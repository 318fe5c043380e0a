#!/bin/sh
# cosign: the public key of an ECDSA key in the KMS, a signature of a blob, and its verification.
# Needs SIGN_ALIAS, the alias of an ECC_NIST_P256 key for SIGN_VERIFY.
set -eu
cd "$(mktemp -d)"
printf 'release 1.0\n' >blob
export COSIGN_YES=true

cosign public-key --key "awskms:///$SIGN_ALIAS" >key.pub
cosign sign-blob --key "awskms:///$SIGN_ALIAS" --tlog-upload=false --use-signing-config=false \
  --bundle blob.bundle blob >/dev/null
cosign verify-blob --key "awskms:///$SIGN_ALIAS" --insecure-ignore-tlog=true --bundle blob.bundle blob
cosign verify-blob --key key.pub --insecure-ignore-tlog=true --bundle blob.bundle blob

printf 'release 1.1\n' >blob
if cosign verify-blob --key key.pub --insecure-ignore-tlog=true --bundle blob.bundle blob 2>/dev/null; then
  echo 'the signature of another blob was accepted' >&2
  exit 1
fi
