#!/bin/sh
# The aws command line: a session of forty commands, each of which must print what AWS's does.
set -eu
cd "$(mktemp -d)"
kms() { aws kms "$@" --output text; }
count=0
step() { count=$((count + 1)); }
expect() { # EXPECTED ACTUAL
  step
  [ "$1" = "$2" ] || { echo "command $count: expected '$1', got '$2'" >&2; exit 1; }
}
refuse() { # CODE COMMAND...
  step
  code=$1
  shift
  if aws kms "$@" >/dev/null 2>error.txt; then echo "command $count was not refused: $*" >&2; exit 1; fi
  grep -q "($code)" error.txt || { cat error.txt >&2; exit 1; }
}
run() { step; aws kms "$@" >/dev/null; }

arn=$(kms create-key --description 'aws session' --tags TagKey=team,TagValue=orders --query KeyMetadata.Arn); step
expect Enabled "$(kms describe-key --key-id "$arn" --query KeyMetadata.KeyState)"
run create-alias --alias-name alias/session --target-key-id "$arn"
expect "$arn" "$(kms describe-key --key-id alias/session --query KeyMetadata.Arn)"
expect alias/session "$(kms list-aliases --key-id "$arn" --query 'Aliases[0].AliasName')"
printf 'correct horse' >plain
kms encrypt --key-id alias/session --plaintext fileb://plain --encryption-context app=orders --query CiphertextBlob | base64 -d >sealed; step
kms decrypt --ciphertext-blob fileb://sealed --encryption-context app=orders --query Plaintext | base64 -d >opened
step; cmp plain opened
refuse InvalidCiphertextException decrypt --ciphertext-blob fileb://sealed --encryption-context app=billing
expect 44 "$(kms generate-data-key --key-id "$arn" --key-spec AES_256 --query Plaintext | tr -d '\n' | wc -c)"
expect "$arn" "$(kms generate-data-key-without-plaintext --key-id "$arn" --key-spec AES_128 --query KeyId)"
expect 24 "$(kms generate-random --number-of-bytes 16 --query Plaintext | tr -d '\n' | wc -c)"
expect "$arn" "$(kms re-encrypt --ciphertext-blob fileb://sealed --source-encryption-context app=orders --destination-key-id "$arn" --query SourceKeyId)"
refuse ValidationException generate-data-key --key-id "$arn" --number-of-bytes 1025
expect False "$(kms get-key-rotation-status --key-id "$arn" --query KeyRotationEnabled)"
run enable-key-rotation --key-id "$arn" --rotation-period-in-days 200
expect 200 "$(kms get-key-rotation-status --key-id "$arn" --query RotationPeriodInDays)"
run rotate-key-on-demand --key-id "$arn"
expect ON_DEMAND "$(kms list-key-rotations --key-id "$arn" --query 'Rotations[0].RotationType')"
run disable-key-rotation --key-id "$arn"
expect orders "$(kms list-resource-tags --key-id "$arn" --query 'Tags[0].TagValue')"
run tag-resource --key-id "$arn" --tags TagKey=team,TagValue=billing
expect billing "$(kms list-resource-tags --key-id "$arn" --query 'Tags[0].TagValue')"
run untag-resource --key-id "$arn" --tag-keys team
expect default "$(kms list-key-policies --key-id "$arn" --query 'PolicyNames[0]')"
kms get-key-policy --key-id "$arn" --policy-name default --query Policy >policy.json; step
run put-key-policy --key-id "$arn" --policy-name default --policy file://policy.json
refuse MalformedPolicyDocumentException put-key-policy --key-id "$arn" --policy-name default --policy '{"Version": "2012-10-17"}'
run update-key-description --key-id "$arn" --description renamed
expect renamed "$(kms describe-key --key-id "$arn" --query KeyMetadata.Description)"
run disable-key --key-id "$arn"
refuse DisabledException encrypt --key-id "$arn" --plaintext fileb://plain
run enable-key --key-id "$arn"
signer=$(kms create-key --key-spec RSA_2048 --key-usage SIGN_VERIFY --query KeyMetadata.Arn); step
kms sign --key-id "$signer" --message fileb://plain --signing-algorithm RSASSA_PSS_SHA_256 --query Signature | base64 -d >signature; step
expect True "$(kms verify --key-id "$signer" --message fileb://plain --signing-algorithm RSASSA_PSS_SHA_256 --signature fileb://signature --query SignatureValid)"
kms get-public-key --key-id "$signer" --query PublicKey | base64 -d | openssl pkey -pubin -inform DER -noout; step
run delete-alias --alias-name alias/session
refuse NotFoundException describe-key --key-id alias/session
expect PendingDeletion "$(kms schedule-key-deletion --key-id "$arn" --pending-window-in-days 7 --query KeyState)"
run cancel-key-deletion --key-id "$arn"
expect Disabled "$(kms describe-key --key-id "$arn" --query KeyMetadata.KeyState)"
expect PendingDeletion "$(kms schedule-key-deletion --key-id "$arn" --query KeyState)"
run schedule-key-deletion --key-id "$signer" --pending-window-in-days 7
echo "$count commands"
