#!/bin/sh
# SOPS: encrypt with a context, decrypt, rotate, and add a second key. Needs KEY_ARN and SECOND_KEY_ARN.
set -eu
cd "$(mktemp -d)"
printf 'user: alice\npassword: correct horse\n' >plain.yaml

sops encrypt --kms "$KEY_ARN" --encryption-context app:orders,stage:test plain.yaml >secret.yaml
grep -q "arn: $KEY_ARN" secret.yaml
! grep -q 'correct horse' secret.yaml
sops decrypt secret.yaml | cmp - plain.yaml

# Rotation makes a new data key; the old ciphertext is replaced.
cp secret.yaml before.yaml
sops rotate --in-place secret.yaml
! cmp -s before.yaml secret.yaml
sops decrypt secret.yaml | cmp - plain.yaml

# A second key is added by updatekeys.
cat >.sops.yaml <<EOF
creation_rules:
  - key_groups:
      - kms:
          - { arn: "$KEY_ARN", context: { app: orders, stage: test } }
          - { arn: "$SECOND_KEY_ARN", context: { app: orders, stage: test } }
EOF
sops updatekeys --yes secret.yaml
test "$(grep -c 'arn:aws:kms' secret.yaml)" -eq 2
sops decrypt secret.yaml | cmp - plain.yaml

# Another context does not open it.
sed 's/stage: test/stage: prod/' secret.yaml >other.yaml
if sops decrypt other.yaml >/dev/null 2>refused.txt; then
  echo 'a file with another context was decrypted' >&2
  exit 1
fi
grep -q 'InvalidCiphertextException' refused.txt
