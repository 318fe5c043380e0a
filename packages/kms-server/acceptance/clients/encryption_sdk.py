"""AWS Encryption SDK for Python: a message round trip, with several keys, and a refused context.

Needs KEY_ARN and SECOND_KEY_ARN.
"""

import os

import aws_encryption_sdk
from aws_encryption_sdk import CommitmentPolicy, StrictAwsKmsMasterKeyProvider

keys = [os.environ["KEY_ARN"], os.environ["SECOND_KEY_ARN"]]
client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
)
plaintext = os.urandom(100_000)
context = {"app": "orders", "stage": "test"}

message, _ = client.encrypt(
    source=plaintext,
    encryption_context=context,
    key_provider=StrictAwsKmsMasterKeyProvider(key_ids=keys),
)
for key in keys:
    opened, header = client.decrypt(
        source=message, key_provider=StrictAwsKmsMasterKeyProvider(key_ids=[key])
    )
    assert opened == plaintext
    assert context.items() <= header.encryption_context.items()

altered = bytearray(message)
altered[-1] ^= 1
try:
    client.decrypt(source=bytes(altered), key_provider=StrictAwsKmsMasterKeyProvider(key_ids=keys))
except Exception as error:
    print("altered message:", type(error).__name__)
else:
    raise SystemExit("an altered message was decrypted")
